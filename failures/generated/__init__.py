"""A whole restaurant of made-up days: stories told once by the real services, and copied a million times."""
