"""How money is taken and given back, exactly once."""
