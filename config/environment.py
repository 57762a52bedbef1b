"""Reading the process environment into typed values: all problems are collected, then the start is refused once."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NoReturn
from urllib.parse import SplitResult, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from cryptography.fernet import Fernet
from environ import Env
from psycopg import IsolationLevel

PREFIX: Final = "STEWARD_"
# What a shown value may take of the one line that a problem is allowed.
LONGEST_SHOWN_VALUE: Final = 80
# 128 bits of base64 are 22 characters; 32 leave room for keys that a person made up.
SHORTEST_KEY: Final = 32
# Two calls to a provider, and this much to read and write our own rows around them.
LEASE_MARGIN_SECONDS: Final = 5
POSTGRES_SCHEMES: Final = frozenset({"postgres", "postgresql"})
# Eleven days in seconds. PostgreSQL counts its time-outs in milliseconds and ends at twice this.
LARGEST_NUMBER: Final = 999_999
# A server that is there answers in milliseconds. The pool tries again.
CONNECT_TIMEOUT_SECONDS: Final = 5
# A host that vanished is noticed this soon at the latest, also where leases are longer.
LONGEST_SILENCE_SECONDS: Final = 30
# What the money rests on, whatever the server's, the database's or the role's defaults are. Whoever waited for an
# order's lock has to see what its holder committed; what was committed before a call has to outlast a crash.
_GUARANTEES: Final = r"-c default_transaction_isolation=read\ committed -c synchronous_commit=on"
# Digits alone; so many that a few leading zeros do no harm, and so few that no megabyte is read as a number.
_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")


class LogFormat(StrEnum):
    JSON = "json"
    PRETTY = "pretty"


class Secrecy(StrEnum):
    """Whether a problem line may repeat the value that was found."""

    PUBLIC = "public"
    SECRET = "secret"  # noqa: S105  The word, not one.
    SECRET_URL = "secret_url"  # noqa: S105  Its scheme may be shown; the rest can hold a password.


class _Missing(StrEnum):
    """No default: the setting must be given."""

    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Problem:
    name: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.name}: found {self.found}; expected {self.expected}."


class EnvironmentRefused(SystemExit):
    """Stops the start. `SystemExit`, so that the lines are what the operator sees and no traceback hides them."""


@dataclass
class Environment:
    """One reader for one start. It remembers every name it was asked for, and every problem it met."""

    values: Mapping[str, str] = field(repr=False)
    problems: list[Problem] = field(default_factory=list)
    required: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    test_only: set[str] = field(default_factory=set)

    def read(
        self,
        name: str,
        parse: Callable[[str], Any],
        *,
        expected: str,
        default: Any = _Missing.REQUIRED,
        secrecy: Secrecy = Secrecy.PUBLIC,
    ) -> Any:
        """The parsed value, or the default; a problem is noted and answered with None, which nobody gets to use."""
        self.known.add(name)
        if default is _Missing.REQUIRED:
            self.required.add(name)
        text = self.values.get(name, "").strip()
        if not text:
            return self._absent(name, expected, default)
        try:
            return parse(text)
        except (ValueError, KeyError, OSError):
            self.refuse(name, _shown(text, secrecy), expected)
            return None

    def refuse(self, name: str, found: str, expected: str) -> None:
        self.problems.append(Problem(name, found, expected))

    def knows_for_tests(self, *names: str) -> None:
        """Names that another part of the program reads by itself, and no operator sets."""
        self.test_only.update(names)

    def unknown_names(self) -> list[str]:
        known = self.known | self.test_only
        return sorted(name for name in self.values if name.startswith(PREFIX) and name not in known)

    def finish(self) -> None:
        """Warn about names that nobody reads, and stop if anything was refused."""
        for name in self.unknown_names():
            sys.stderr.write(f"Warning: {name} is set, but Steward has no such setting.{self._suggestion(name)}\n")
        if self.problems:
            _stop(self.problems)

    def _absent(self, name: str, expected: str, default: Any) -> Any:
        if default is _Missing.REQUIRED:
            self.refuse(name, "nothing", expected)
            return None
        return default

    def _suggestion(self, name: str) -> str:
        close = difflib.get_close_matches(name, sorted(self.known), n=1, cutoff=0.8)
        return f" Did you mean {close[0]}?" if close else ""


def _stop(problems: list[Problem]) -> NoReturn:
    lines = "\n".join(f"  {problem}" for problem in problems)
    raise EnvironmentRefused(f"Steward cannot start. These settings need attention:\n{lines}")


def _shown(text: str, secrecy: Secrecy) -> str:
    if secrecy is Secrecy.SECRET:
        return f"a value of {len(text)} characters (not shown)"
    if secrecy is Secrecy.SECRET_URL:
        return f"a {_scheme_of(text)} URL of {len(text)} characters (not shown)"
    shown = text if len(text) <= LONGEST_SHOWN_VALUE else f"{text[:LONGEST_SHOWN_VALUE]}…"
    return repr(shown)


def key(text: str) -> str:
    if len(text) < SHORTEST_KEY:
        raise ValueError(text)
    return text


def fernet_keys(text: str) -> tuple[str, ...]:
    keys = comma_separated(text)
    for candidate in keys:
        Fernet(candidate)
    return keys


def comma_separated(text: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    if not parts:
        raise ValueError(text)
    return parts


def switch(text: str) -> bool:
    """Only words that mean one thing: a mistyped "flase" must not quietly become either."""
    return {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}[
        text.lower()
    ]


def positive_whole_number(text: str) -> int:
    if not _WHOLE_NUMBER.fullmatch(text) or not 0 < int(text) <= LARGEST_NUMBER:
        raise ValueError(text)
    return int(text)


def whole_number(text: str) -> int:
    return 0 if text == "0" else positive_whole_number(text)


def origins(text: str) -> tuple[str, ...]:
    """Scheme and host, as a browser names a page's origin."""
    found = comma_separated(text)
    for origin in found:
        if base_url(origin).path:
            raise ValueError(origin)
    return found


def time_zone(text: str) -> str:
    return ZoneInfo(text).key


def base_url(text: str) -> SplitResult:
    url = urlsplit(text)
    is_base = url.scheme in {"http", "https"} and url.hostname and not (url.query or url.fragment or url.username)
    if not is_base or url.port == 0:
        raise ValueError(text)
    return url._replace(path=url.path.rstrip("/"))


def base_address(text: str) -> str:
    return urlunsplit(base_url(text))


def redis_url(text: str) -> str:
    """The word "none" is for whoever inherits a REDIS_URL and wants to do without."""
    if text == "none":
        return ""
    return _url_of_scheme(text, {"redis", "rediss", "unix"})


def broker_url(text: str) -> str:
    return _url_of_scheme(text, {"redis", "rediss", "unix", "redis+socket", "amqp", "amqps"})


def database(text: str) -> dict[str, Any]:
    """PostgreSQL is the one database: the locks, partial unique constraints and triggers are its own."""
    if urlsplit(text).scheme not in POSTGRES_SCHEMES:
        raise ValueError(text)
    settings = dict(Env.db_url_config(text, engine="django.db.backends.postgresql"))
    options = settings.setdefault("OPTIONS", {})
    # A socket folder can only be written as `?host=/folder`; Django's own tools look for it in HOST.
    settings["HOST"] = settings["HOST"] or str(options.pop("host", ""))
    settings["USER"] = settings["USER"] or str(options.pop("user", ""))
    settings["PORT"] = settings["PORT"] or options.pop("port", "")
    if not settings["NAME"]:
        raise ValueError(text)
    return settings


def with_pool(settings: dict[str, Any], *, pool: dict[str, Any], lease_seconds: int) -> dict[str, Any]:
    """The connection settings that hold for every installation, beneath what its URL says.

    Parameters are bound by the client, Django's default: bound by the server, PostgreSQL refuses to group
    by an expression that has a parameter, which is what daily statistics do.
    """
    said = settings.get("OPTIONS", {})
    options = {
        "application_name": "steward",
        **_silence_limits(lease_seconds),
        **said,
        "options": _session(lease_seconds, said.get("options", "")),
        # Said with each BEGIN, and so also behind a pooler that drops `options`.
        "isolation_level": IsolationLevel.READ_COMMITTED,
        "pool": pool,
    }
    # The pool owns the connections' lives, so Django must keep none of its own; the health check is the pool's.
    return {**settings, "OPTIONS": options, "CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True}


# A page far away costs today's disks as much as the next one. With PostgreSQL's default, of the time of turning disks,
# it reads a million payments to find those of ten thousand cases.
_DISKS = "-c random_page_cost=1.1"


def _session(lease_seconds: int, said: str) -> str:
    """Of two words about one parameter the last one counts: the URL may change the limits, not the guarantees."""
    # A worker that was stopped in the middle must not hold an order's lock for longer than its lease.
    limits = f"-c idle_in_transaction_session_timeout={lease_seconds}s -c lock_timeout={lease_seconds}s"
    return " ".join(part for part in (limits, _DISKS, said, _GUARANTEES) if part)


def _silence_limits(lease_seconds: int) -> dict[str, int]:
    """For a host that vanished without a word, which the kernel alone would wait for a quarter of an hour.

    Asked after a third of a lease and gone after two. A socket in a folder has no such host and ignores them.
    """
    silence = min(lease_seconds, LONGEST_SILENCE_SECONDS)
    return {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "keepalives": 1,
        "keepalives_idle": max(1, silence // 3),
        "keepalives_interval": max(1, silence // 10),
        "keepalives_count": 3,
        "tcp_user_timeout": 1000 * max(1, 2 * silence // 3),
    }


def check_time_budgets(
    environment: Environment, *, deadline_seconds: int, budget_seconds: int, lease_seconds: int
) -> None:
    """A provider's deadline fits into a request, and a request and a repeated call fit into a lease."""
    if None in {deadline_seconds, budget_seconds, lease_seconds}:
        return
    if not deadline_seconds < budget_seconds:
        environment.refuse(
            "STEWARD_REQUEST_BUDGET_SECONDS",
            repr(budget_seconds),
            f"more than STEWARD_PROVIDER_DEADLINE_SECONDS ({deadline_seconds})",
        )
    shortest_lease = max(budget_seconds + 1, 2 * deadline_seconds + LEASE_MARGIN_SECONDS)
    if lease_seconds < shortest_lease:
        environment.refuse(
            "STEWARD_LEASE_SECONDS",
            repr(lease_seconds),
            f"at least {shortest_lease}: more than STEWARD_REQUEST_BUDGET_SECONDS ({budget_seconds}) and"
            f" two deadlines ({deadline_seconds} each) + {LEASE_MARGIN_SECONDS}",
        )


def _url_of_scheme(text: str, schemes: set[str]) -> str:
    url = urlsplit(text)
    if url.scheme not in schemes or not (url.netloc or url.path):
        raise ValueError(text)
    return text


def _scheme_of(text: str) -> str:
    scheme, separator, _ = text.partition("://")
    return scheme[:LONGEST_SHOWN_VALUE] if separator and scheme.replace("+", "").isalnum() else "malformed"
