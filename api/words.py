"""The API in a few words, for the top of its description."""

API_IN_WORDS = """\
Steward takes payments for orders, through several providers and at the table, and gives them back. It never charges
twice, never loses a payment, and when it does not know, it says so and finds out.

**Doubt is a state.** Where a provider did not answer, a payment is `processing` with `in_doubt: true` and
`safe_to_retry: false`. Nothing is charged elsewhere; Steward asks until it knows. Show the `user_message`, and wait.

**One effect for one key.** What makes something needs an `Idempotency-Key`. Send the same request with the same key as
often as you like: it has one effect. Until a payment has come to its end the answer is its present state, then the same
bytes for ever, always with `Idempotent-Replayed: true`.

**A declined payment exists.** It is `201` with `status: failed`. Problems (`application/problem+json`) are for requests
that created nothing; each has a page at its `type`.

**Money** is a whole number of minor units and a currency: `{"amount": 84000, "currency": "INR"}` is ₹840.00.

**Test and live** never meet: a `test_…` key sees test data only.
"""
