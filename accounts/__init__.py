"""Who may do what: restaurants, people, roles and keys."""
