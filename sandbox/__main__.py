"""`python -m sandbox`: reads the command line and starts the provider."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.behaviours import CHARGES, REFUNDS, SECONDS
from sandbox.company import Company
from sandbox.courier import Courier
from sandbox.provider import Provider
from sandbox.razorpay.provider import RazorpayProvider
from sandbox.server import HOST, SandboxServer, listen
from sandbox.till import Settings

DEFAULT_PORT = 9101
KINDS: Mapping[str, type[Company]] = {"sandbox": Provider, "razorpay": RazorpayProvider}
_DESCRIPTION = """\
A payment provider for tests and first runs, with its own books. No real money moves.
It listens on 127.0.0.1 only. Open http://127.0.0.1:PORT/ to see its charges and to make it fail.
"""
_EXAMPLE = """\
example:
  python -m sandbox --name sandbox_a --port 9101 --books var/sandbox_a \\
      --api-key a-key-for-tests --webhook-secret sixteen-bytes-or-more \\
      --notify-url http://127.0.0.1:8000/webhooks/sandbox_a/
"""


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description=_DESCRIPTION,
        epilog=f"{_EXAMPLE}\n{_tokens()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--name", default="sandbox", help="what it calls itself on its pages (default: %(default)s)")
    parser.add_argument("--speaks", choices=KINDS, default="sandbox", help="whose wire format (default: %(default)s)")
    parser.add_argument("--key-id", default="rzp_test_SandboxOfOurs1", help="the public half of the key, for razorpay")
    parser.add_argument(
        "--list-lag", type=float, default=0.0, metavar="SECONDS", help="how long its lists do not show what is new"
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--books", type=Path, required=True, metavar="DIR", help="where its books are kept")
    _add_secret(parser, "--api-key", "SANDBOX_API_KEY", "what callers must present")
    _add_secret(parser, "--webhook-secret", "SANDBOX_WEBHOOK_SECRET", "signs its webhooks")
    parser.add_argument(
        "--admin-key", default="", metavar="KEY", help="for /v1/admin, /v1/books (default: the API key)"
    )
    parser.add_argument("--notify-url", default="", metavar="URL", help="where webhooks go, if a charge names no other")
    parser.add_argument(
        "--public-url", default="", metavar="URL", help="where guests reach it (default: http://127.0.0.1:PORT)"
    )
    parser.add_argument(
        "--fee-bps", type=int, default=0, metavar="N", help="its fee in basis points (default: %(default)s)"
    )
    parser.add_argument(
        "--delay-scale", type=float, default=1.0, metavar="X", help="all its waits times this: 0.01 for quick tests"
    )
    parser.add_argument("--key-lifetime", type=float, metavar="SECONDS", help="when it forgets a key (default: never)")
    parser.add_argument("--webhook-copies", type=int, default=3, metavar="N", help="for sim_duplicate_webhook")
    return parser.parse_args(words)


def settings(given: argparse.Namespace, port: int) -> Settings:
    return Settings(
        name=given.name,
        api_key=given.api_key,
        webhook_secret=given.webhook_secret,
        admin_key=given.admin_key,
        public_url=given.public_url.rstrip("/") or f"http://{HOST}:{port}",
        notify_url=given.notify_url,
        fee_bps=given.fee_bps,
        seconds={delay: seconds * given.delay_scale for delay, seconds in SECONDS.items()},
        webhook_copies=given.webhook_copies,
        key_lifetime_seconds=given.key_lifetime,
        key_id=given.key_id,
        list_lag_seconds=given.list_lag,
    )


def main() -> None:
    given = arguments(sys.argv[1:])
    try:
        server = SandboxServer(listen(given.port))
        provider = KINDS[given.speaks](settings(given, server.port), given.books)
    except OSError as error:
        sys.exit(f"Port {given.port} or the books in {given.books} cannot be had: {error.strerror}.")
    courier = Courier(provider, delay_scale=given.delay_scale)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.stop())
    courier.start()
    sys.stdout.write(f"{given.name} listens on http://{HOST}:{server.port}\n")
    sys.stdout.flush()
    server.run(provider)
    courier.stop()
    provider.books.close()


def _add_secret(parser: argparse.ArgumentParser, flag: str, variable: str, meaning: str) -> None:
    """From the environment where others can read the list of processes."""
    value = os.environ.get(variable)
    parser.add_argument(flag, default=value, required=not value, metavar="SECRET", help=f"{meaning} (or ${variable})")


def _tokens() -> str:
    """The tables are their own documentation."""
    width = max(map(len, CHARGES)) + 2
    charges = [f"  {token:<{width}}{behaviour.meaning}" for token, behaviour in CHARGES.items() if token]
    refunds = [f"  {name:<{width}}{behaviour.meaning}" for name, behaviour in REFUNDS.items()]
    return "\n".join(["tokens for charges:", *charges, "", "behaviours for POST /v1/admin/next-refund:", *refunds])


if __name__ == "__main__":
    main()
