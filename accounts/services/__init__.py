"""The only writers of accounts: keys, people's tokens, and what was done under an idempotency key."""
