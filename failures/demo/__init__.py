"""A demo restaurant, made through the same services as real ones. It belongs to nobody's production."""
