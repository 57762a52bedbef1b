"""Takes secrets, card numbers and personal data out of what a provider said, and bounds its size. Pure functions."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from kernel.card_numbers import contains_card_number, mask_card_numbers, outside_ids

# Providers' answers nest four or five deep. Deeper is an attack or a mistake.
MAX_DEPTH = 8
# The widest payment object that we know has some fifty fields. What is cut is said.
MAX_ITEMS = 100
# A sentence for a human, as it is shown in a list of attempts.
MAX_MESSAGE_LENGTH = 500
# One text inside the evidence: an error page's beginning says enough.
MAX_TEXT_LENGTH = 2_000
# A field's name; longer ones are somebody's data in the wrong place.
MAX_KEY_LENGTH = 100
# All texts of one piece of evidence together: a row stays small enough to list thousands of them.
MAX_TOTAL_LENGTH = 16_000
# What a node costs besides its text (quotes, colon, comma), so that a million empty lists are bounded too.
NODE_COST = 4
# A step for the guest may carry a picture of a QR code. It is whole or it is useless, so it is never shortened.
MAX_STEP_LENGTH = 16_000
# The column that a reference goes into; no provider's id comes near it.
MAX_REFERENCE_LENGTH = 255
# The longest card number with its separators. Text is read this far beyond a cut, so that no half of one stays.
_OVERLAP = 64
# Signed 64 bits hold every amount and every id that is a number; Python would print millions of digits.
_LONGEST_NUMBER = 10**19

REDACTED = "[redacted]"
CUT = "[cut]"
CARD = "[card number]"
PHONE = "[phone]"
ADDRESS = "[address]"  # An e-mail address or a UPI address.

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = frozenset(
    {"authorization", "bearer", "cookie", "credential", "credentials", "csc", "jwt", "otp", "pan", "pin", "pwd"}
)
# These are unmistakable inside a name that was written without separators.
_SECRET_PARTS = (
    *("secret", "token", "password", "passwd", "passphrase", "signature", "cvc", "cvv"),
    *("apikey", "privatekey", "accesskey", "encryptionkey", "cardnumber", "accountnumber", "cardno", "accountno"),
)
_NUMBERED_SECRETS = frozenset({"card", "account", "acct", "bank", "phone", "mobile", "contact", "security", "passport"})
_PERSONAL_WORDS = frozenset(
    {
        "email",
        "mail",
        "phone",
        "telephone",
        "mobile",
        "msisdn",
        "contact",
        "vpa",
        "iban",
        "address",
        "dob",
        "cardholder",
    }
)
_NAMED_PEOPLE = frozenset(
    {"customer", "payer", "card", "holder", "billing", "shipping", "contact", "first", "last", "full"}
)
_REFERENCE_WORDS = frozenset(
    {"id", "ids", "ref", "reference", "receipt", "rrn", "utr", "arn", "uuid", "key", "txnid", "mihpayid", "orderid"}
)
_NUMBERED_THINGS = frozenset({"order", "invoice", "receipt", "refund", "payment", "transaction", "table", "reference"})

_PHONE = re.compile(
    r"(?<![\w.+\-/#])(?:\+\d{1,3}(?:[ \-().]{0,2}\d){7,13}|0?[6-9]\d{4}[ \-]?\d{5})(?![\dA-Za-z_]|[.\-]\d)"
)
_ADDRESS = re.compile(r"[\w.+%'\-]{1,64}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){0,5}")
_SECRETS = (
    (re.compile(r"(?i)\b(basic|bearer|digest)\s+(?=\S{0,200}[0-9=_])[\w+/=.~\-]{6,}"), rf"\1 {REDACTED}"),
    (
        re.compile(
            r"(?i)\b([\w\-]{0,40}(?:secret|token|passw(?:or)?d|signature|api[_\-]?key|cvv|cvc|authorization)"
            r"[\w\-]{0,40}[\"']?\s{0,3}[=:]\s{0,3}[\"']?)[^\s\"'&,;\[\]{}]+"
        ),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"\b(?:[sr]k_(?:live|test)_|whsec_)\w+|\beyJ[\w\-]{10,}\.[\w\-]+\.[\w\-]*"), REDACTED),
    (re.compile(r"(?<=://)[^/\s:@]{1,100}:[^/\s@]{1,200}(?=@)"), REDACTED),
)
# A database takes neither; a half of a surrogate pair cannot even be encoded.
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_LINK = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{1,20}:\S+")


def redact(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Evidence that may be stored: plain JSON values, no secret, no card number, no personal data, bounded."""
    return _mapping(raw, frozenset(), MAX_DEPTH, _Budget(left=MAX_TOTAL_LENGTH))


def redact_text(text: str, *, limit: int = MAX_MESSAGE_LENGTH) -> str:
    return _bounded(text, limit, is_reference=False)


def redact_next_step(step: Mapping[str, str]) -> dict[str, str]:
    """Steps are made by our gateways for this guest. Links and codes stay whole, or the guest cannot pay."""
    return {str(key): _step(frozenset(_words(str(key))), str(key), str(value)) for key, value in _first(step)}


def storable_reference(reference: str) -> str:
    """A provider's id, unchanged but for what no column takes."""
    return _storable(reference)[:MAX_REFERENCE_LENGTH]


@dataclass(slots=True)
class _Budget:
    left: int

    def spend(self, amount: int) -> None:
        self.left -= amount + NODE_COST


def _first(mapping: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    return islice(mapping.items(), MAX_ITEMS)


def _mapping(value: Mapping[Any, Any], around: frozenset[str], depth: int, budget: _Budget) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, inner in _first(value):
        if budget.left <= 0:
            break
        name = redact_text(str(key), limit=MAX_KEY_LENGTH)
        budget.spend(len(name))
        result[name] = _field(str(key), inner, around, depth, budget)
    if len(result) < len(value):
        result[CUT] = len(value) - len(result)
    return result


def _field(key: str, value: Any, around: frozenset[str], depth: int, budget: _Budget) -> Any:
    words = frozenset(_words(key))
    if value is None or isinstance(value, bool):
        return value
    if _is_secret(key, words, around) or _is_personal(words, around):
        return REDACTED
    return _value(value, words, depth, budget)


def _value(value: Any, words: frozenset[str], depth: int, budget: _Budget) -> Any:
    if budget.left <= 0:
        return CUT
    if isinstance(value, Mapping):
        return _mapping(value, words, depth - 1, budget) if depth > 1 else CUT
    if isinstance(value, list | tuple):
        return _list(value, words, depth - 1, budget) if depth > 1 else CUT
    result = _scalar(value, is_reference=bool(words & _REFERENCE_WORDS), limit=min(MAX_TEXT_LENGTH, budget.left))
    budget.spend(len(str(result)))
    return result


def _list(values: Sequence[Any], words: frozenset[str], depth: int, budget: _Budget) -> list[Any]:
    result: list[Any] = []
    for value in values[:MAX_ITEMS]:
        if budget.left <= 0:
            break
        budget.spend(0)
        result.append(_value(value, words, depth, budget))
    return result if len(result) == len(values) else [*result, f"{CUT} {len(values) - len(result)}"]


def _scalar(value: Any, *, is_reference: bool, limit: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _bounded(value, limit, is_reference=is_reference)
    if isinstance(value, int | float):
        return _number(value, is_reference=is_reference)
    # Anything else is no JSON. Its text could hold what we look for under names that we do not see.
    return f"[{type(value).__name__}]"


def _number(value: int | float, *, is_reference: bool) -> int | float | str:
    if abs(value) >= _LONGEST_NUMBER:
        return "[long number]"
    if math.isnan(value):
        return "[not a number]"  # JSON in a database knows no NaN.
    digits = str(abs(value)) if isinstance(value, int) else f"{abs(value):.0f}"
    return CARD if not is_reference and contains_card_number(digits) else value


def _bounded(text: str, limit: int, *, is_reference: bool) -> str:
    window = _storable(text[: limit + _OVERLAP])
    masked = _mask(window, is_reference=is_reference)
    if len(text) > limit + _OVERLAP:
        # The window's end may be half of something, and masking may have moved it below the limit.
        masked = masked[: max(0, len(masked) - _OVERLAP)]
    return masked[:limit]


def _mask(text: str, *, is_reference: bool) -> str:
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    text = _ADDRESS.sub(ADDRESS, text)
    return text if is_reference else outside_ids(text, _mask_people_and_cards)


def _mask_cards(text: str) -> str:
    return mask_card_numbers(text, CARD)


def _mask_people_and_cards(text: str) -> str:
    return _PHONE.sub(PHONE, _mask_cards(text))


def _storable(text: str) -> str:
    return _UNSTORABLE.sub("\ufffd", text)


def _words(key: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(key)]


def _is_secret(key: str, words: frozenset[str], around: frozenset[str]) -> bool:
    compact = "".join(_words(key))
    if words & _SECRET_WORDS or any(part in compact for part in _SECRET_PARTS):
        return True
    if "number" in words:
        return bool(words & _NUMBERED_SECRETS) or (words == {"number"} and not around & _NUMBERED_THINGS)
    return False


def _is_personal(words: frozenset[str], around: frozenset[str]) -> bool:
    if "name" in words:
        return bool((words | around) & _NAMED_PEOPLE)
    return bool(words & _PERSONAL_WORDS) and not words & _REFERENCE_WORDS


def _step(words: frozenset[str], key: str, value: str) -> str:
    if _is_secret(key, words, frozenset()):
        return REDACTED
    if len(value) > MAX_STEP_LENGTH:
        return CUT
    return _storable(value) if "qr" in words or _LINK.fullmatch(value) else outside_ids(_storable(value), _mask_cards)
