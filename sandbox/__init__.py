"""A sandbox payment provider: its own process, its own books, every fault on demand. It knows nothing of Steward."""
