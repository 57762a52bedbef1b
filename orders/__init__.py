"""What a guest ordered. It knows that it can be paid, but not how."""
