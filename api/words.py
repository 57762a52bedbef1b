"""The API in words, for its description: what it is about, who may call, and what each part is for."""

API_IN_WORDS = """\
Steward takes payments for orders, through several providers and at the table, and gives them back. It never charges
twice, never loses a payment, and when it does not know, it says so and finds out.

To try it: `docs/api.md` in the repository is the API in ten minutes, and [Swagger UI](/api/docs/) sends requests from
your browser. To read it: [Redoc](/api/redoc/). To generate a client: [openapi.json](/api/openapi.json), which is
OpenAPI 3.1. [Every problem](/problems/) has a page that says what to do. Every example here was recorded from a
running server.

**Doubt is a state.** Where a provider did not answer, a payment is `processing` with `in_doubt: true` and
`safe_to_retry: false`. Nothing is charged elsewhere; Steward asks until it knows. Show the `user_message`, and wait.

**201, or 202.** `201` and `200` say that it has come to its end, or waits for a choice of the guest. `202` says that
it has not: `next_step` says what the client does now, and `Retry-After` when to look again. Better than looking:
`links.wait` answers when something has changed, and `links.events` tells it as it happens.

**One effect for one key.** What makes something needs an `Idempotency-Key`. Send the same request with the same key
as often as you like: it has one effect. Until a payment is completed the answer is its present state (one that failed
may be tried again), then the same bytes for ever, always with `Idempotent-Replayed: true`.

**A declined payment exists.** It is `201` with `status: failed`. Problems (`application/problem+json`) are for
requests that created nothing: `code` is for programs, `errors` points at each field, `next_action` says what helps.
After `5xx` or no answer at all send the same request again, with the same key; after `429` when `Retry-After` is over.

**Money** is a whole number of minor units and a currency: `{"amount": 84000, "currency": "INR"}` is ₹840.00.

**Times** are in UTC. **Lists** are in pages: follow `page.next_cursor`, or the `Link` header.

**Test and live** never meet: a `test_…` key sees test data only.

**Nothing is taken back.** Fields, words and operations are added; a client ignores those that it does not know. An
address that is not there is `404 no_such_route`, a method that is not described `405 method_not_allowed` with
`Allow`.
"""

SECURITY_IN_WORDS = """\
`Authorization: Bearer …` with one of four secrets. Each belongs to one mode, test or live, and says what may be done
by its scopes; `GET /caller` tells which.

- An **API key** (`test_…`, `live_…`) is a program's, for one restaurant or several. It can neither take cash nor
  decide about cases: a program has no name.
- A **person's token** (`user_…`) comes from `POST /tokens` and lasts for a shift. Its scopes are those of the
  person's role. Whoever has a second factor signs in with a code of it, too.
- A **client token** (`pay_…`) is for a guest's browser: it reads one payment and chooses how it is paid, nothing
  else.
- A **session** of the console works without any of them. What it changes needs the page's CSRF token, or is `403
  forbidden`.
"""

# In the order in which they are read.
TAGS = [
    {
        "name": "Callers",
        "description": "Who calls, and how a person signs in. Programs have keys, and need none of this.",
    },
    {
        "name": "Orders",
        "description": (
            "What guests want, and what it costs. An order is paid by one payment or by many: `due` is what nobody has "
            "paid yet, `free` what of that nobody is paying right now, and `safe_to_serve` the kitchen's answer."
        ),
    },
    {
        "name": "Payments",
        "description": (
            "One share of one order, paid by one method. Steward tries one provider after the other where that is "
            "safe, and never where money may have moved. A payment is `pending` (not begun, or held for a guest who "
            "still chooses), `processing`, `completed` or `failed`."
        ),
    },
    {
        "name": "Refunds",
        "description": "Money that goes back: all of a payment, or a part. Also what a provider or a bank began.",
    },
    {
        "name": "Cases",
        "description": (
            "What needs a human: a doubt that lasts, a wrong amount, a refund that was refused. Finance staff decide, "
            "by name and with a reason."
        ),
    },
    {
        "name": "Approvals",
        "description": (
            "What one person asks for and another one has to agree to: to record what nobody but people saw, to write "
            "off, to open a case again, and to give back more than a limit. Who asks never agrees."
        ),
    },
    {"name": "Reports", "description": "How the providers are, and what each day brought."},
]
