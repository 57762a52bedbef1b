"""One command a file; each is thin."""
