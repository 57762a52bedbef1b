"""The edge: one file per provider behind one contract. It knows no table and no Django."""
