"""Notices that nobody with our secret sent: every way to be nearly genuine that we could think of."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping

from tests.gateways.parties import SECRET, Party

Forgery = tuple[str, Mapping[str, str], bytes]
STRANGER = "the-secret-of-another-endpoint"
BITS = 50  # Places at which one bit of the body is turned.


def forgeries(party: Party) -> Iterator[Forgery]:
    assert party.sign is not None
    genuine, body = party.sign(SECRET, party.notice), party.notice
    value = next(iter(genuine.values()))
    yield from _without_a_signature(party, body)
    for name, headers in _bent_signatures(party, value):
        yield name, headers, body
    for name, forged in _bent_bodies(body):
        yield name, genuine, forged
    for secret in (STRANGER, "", SECRET[:-1], SECRET + " ", SECRET.upper()):
        yield f"signed with {secret!r}", party.sign(secret, body), body


def _without_a_signature(party: Party, body: bytes) -> Iterator[Forgery]:
    header = party.signature_header
    yield "no header at all", {}, body
    yield "another header", {"x-signature": "yes"}, body
    for value in ("", " ", "0", "null", "true", "undefined", "🔑", "\x00", "a" * 100_000, "0" * 64, "f" * 64):
        yield f"the signature is {value[:20]!r}", {header: value}, body


def _bent_signatures(party: Party, value: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    header, digest = party.signature_header, value[-64:]
    head = value[:-64]
    for length in (0, 1, 8, 16, 31, 32, 33, 48, 62, 63):
        yield f"cut to {length}", {header: head + digest[:length]}
    raw = bytes.fromhex(digest)
    bent = {
        "upper case": head + digest.upper(),
        "base64": head + base64.b64encode(raw).decode(),
        "base64url": head + base64.urlsafe_b64encode(raw).decode(),
        "reversed": head + digest[::-1],
        "one digit wrong": head + digest[:-1] + ("0" if digest[-1] != "0" else "1"),
        "one digit more": value + "0",
        "a prefix": head + "0x" + digest,
        "twice, with a comma": f"{value}, {value}",
        "twice, without one": value + value,
        "a space before": " " + value,
        "a space after": value + " ",
        "a line break after": value + "\n",
        "a header smuggled in": value + "\r\nx-other: 1",
        "NUL after": value + "\x00",
        "full-width digits": head + digest.translate({ord(str(n)): 0xFF10 + n for n in range(10)}),
        "a Cyrillic letter": head + "\u0430" + digest[1:],
        "quotes": f'"{value}"',
        "a list": f"[{value}]",
        "SHA-1": head + hmac.new(SECRET.encode(), party.notice, hashlib.sha1).hexdigest(),
        "SHA-512": head + hmac.new(SECRET.encode(), party.notice, hashlib.sha512).hexdigest(),
        "without a key": head + hashlib.sha256(party.notice).hexdigest(),
        "MD5 filled up": head + hashlib.md5(party.notice, usedforsecurity=False).hexdigest() * 2,
    }
    for name, forged in bent.items():
        yield name, {header: forged}
    yield "the header twice", {header.lower(): value, header.upper(): value}
    yield "the header twice, one empty", {header.lower(): "", header.upper(): value}


def _bent_bodies(body: bytes) -> Iterator[tuple[str, bytes]]:
    for step in range(BITS):
        at = step * (len(body) - 1) // (BITS - 1)
        yield f"one bit at {at}", body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
    value = json.loads(body)
    yield "serialised anew", json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
    yield "indented", json.dumps(value, indent=1).encode()
    yield "a line break after", body + b"\n"
    yield "a space before", b" " + body
    yield "a byte order mark", b"\xef\xbb\xbf" + body
    yield "in UTF-16", body.decode().encode("utf-16")
    yield "a key twice", body[:-1] + b', "id": "evt_2"}'
    yield "cut in half", body[: len(body) // 2]
    yield "empty", b""
    yield "somebody else's", b'{"id": "evt_2", "data": {}}'
