"""The rules of the house that no linter can hold, over `ast`. `tests/test_architecture.py` runs them."""
