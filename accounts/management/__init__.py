"""Commands about callers."""
