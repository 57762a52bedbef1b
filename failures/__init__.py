"""What needs a human: cases, opened in the transaction that needs them."""
