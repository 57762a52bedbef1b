"""A wrong setting stops the start with one line that says its name, what was found and what is expected."""

from __future__ import annotations

import json
from itertools import groupby, zip_longest
from operator import itemgetter

import pytest

from config.environment import LARGEST_NUMBER
from config.settings import environment as known_environment
from tests.config.starting import COMPLETE, run_python, start

SECRET_VALUES = [COMPLETE[name] for name in ("STEWARD_SECRET_KEY", "STEWARD_FIELD_KEYS", "STEWARD_HASH_KEY")]

MALFORMED = [
    ("STEWARD_SECRET_KEY", "short", "a value of 5 characters (not shown)", "at least 32 random characters"),
    ("STEWARD_HASH_KEY", "k" * 31, "a value of 31 characters (not shown)", "at least 32 random characters"),
    ("STEWARD_FIELD_KEYS", "not-a-fernet-key", "a value of 16 characters (not shown)", "Fernet keys"),
    (
        "STEWARD_FIELD_KEYS",
        COMPLETE["STEWARD_FIELD_KEYS"] + ",x",
        "a value of 46 characters (not shown)",
        "Fernet keys",
    ),
    ("STEWARD_FIELD_KEYS", ",", "a value of 1 characters (not shown)", "Fernet keys"),
    ("STEWARD_DEBUG", "flase", "'flase'", "true or false"),
    ("STEWARD_ALLOWED_HOSTS", ",", "','", "host names"),
    ("STEWARD_PUBLIC_URL", "pay.example.com", "'pay.example.com'", "http or https"),
    ("STEWARD_PUBLIC_URL", "ftp://pay.example.com", "'ftp://pay.example.com'", "http or https"),
    ("STEWARD_PUBLIC_URL", "https://pay.example.com/?x=1", "'https://pay.example.com/?x=1'", "http or https"),
    ("STEWARD_PUBLIC_URL", "https://pay.example.com:port", "'https://pay.example.com:port'", "http or https"),
    ("STEWARD_WAITING_URL", "pay.example.com:8001", "'pay.example.com:8001'", "http or https"),
    ("STEWARD_PROXIES", "-1", "'-1'", "0 or more"),
    ("STEWARD_PROXIES", "one", "'one'", "0 or more"),
    ("STEWARD_REQUESTS_PER_MINUTE", "0", "'0'", "whole number above 0"),
    ("STEWARD_REFUNDS_PER_HOUR", "none", "'none'", "whole number above 0"),
    ("STEWARD_SECOND_FACTOR", "yes", "'yes'", "offered or required"),
    ("STEWARD_SESSION_IDLE_MINUTES", "0", "'0'", "whole minutes above 0"),
    ("STEWARD_SESSION_HOURS", "a day", "'a day'", "whole hours above 0"),
    ("STEWARD_CORS_ORIGINS", "https://app.example.com/page", "'https://app.example.com/page'", "origins of pages"),
    ("STEWARD_CORS_ORIGINS", "*", "'*'", "origins of pages"),
    ("DATABASE_URL", "sqlite:///db.sqlite3", "a sqlite URL of 20 characters", "PostgreSQL is the one database"),
    ("DATABASE_URL", "mysql://u:p@h/db", "a mysql URL of 16 characters", "PostgreSQL is the one database"),
    ("DATABASE_URL", "postgres://h:5432", "a postgres URL of 17 characters", "postgres://user:password@host:5432/name"),
    ("DATABASE_URL", "postgres://h:x/db", "a postgres URL of 17 characters", "postgres://user:password@host:5432/name"),
    ("DATABASE_URL", "steward", "a malformed URL of 7 characters", "postgres://user:password@host:5432/name"),
    ("REDIS_URL", "http://redis", "a http URL of 12 characters", "redis://"),
    ("STEWARD_BROKER_URL", "kafka://broker", "a kafka URL of 14 characters", "amqp://"),
    ("STEWARD_LEASE_SECONDS", "soon", "'soon'", "whole seconds above 0"),
    ("STEWARD_LEASE_SECONDS", "99999999999999", "'99999999999999'", "at most 999999"),
    ("STEWARD_LEASE_SECONDS", "1000000", "'1000000'", f"at most {LARGEST_NUMBER}"),
    ("STEWARD_LEASE_SECONDS", "-1", "'-1'", "whole seconds above 0"),
    ("STEWARD_PROVIDER_DEADLINE_SECONDS", "0", "'0'", "whole seconds above 0"),
    ("STEWARD_REQUEST_BUDGET_SECONDS", "1.5", "'1.5'", "whole seconds above 0"),
    ("STEWARD_PROVIDER_CONCURRENCY", "0", "'0'", "whole number above 0"),
    ("STEWARD_SWEEP_SECONDS", "1e3", "'1e3'", "whole seconds above 0"),
    ("STEWARD_TIME_ZONE", "Asia/Atlantis", "'Asia/Atlantis'", "an IANA time zone"),
    ("STEWARD_TIME_ZONE", "../etc/passwd", "'../etc/passwd'", "an IANA time zone"),
    ("STEWARD_LOG_FORMAT", "xml", "'xml'", "json or pretty"),
]


def problem_lines(stderr: str) -> list[str]:
    return [line.strip() for line in stderr.splitlines() if line.startswith("  ")]


def test_a_complete_environment_starts_in_silence() -> None:
    result = start(COMPLETE)

    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("name", sorted(known_environment.required))
def test_a_missing_setting_has_its_line(name: str) -> None:
    result = start({other: value for other, value in COMPLETE.items() if other != name})

    (line,) = problem_lines(result.stderr)
    assert line.startswith(f"{name}: found nothing; expected ")
    assert result.returncode != 0


@pytest.mark.parametrize("name", sorted(known_environment.required))
def test_an_empty_setting_is_a_missing_one(name: str) -> None:
    result = start({**COMPLETE, name: "  "})

    (line,) = problem_lines(result.stderr)
    assert line.startswith(f"{name}: found nothing; expected ")


def rounds() -> list[list[tuple[str, str, str, str]]]:
    """The first examples of all settings, then the second ones: one start tells of each setting once."""
    of_each = [list(examples) for _, examples in groupby(sorted(MALFORMED), key=itemgetter(0))]
    return [[example for example in each if example] for each in zip_longest(*of_each)]


@pytest.mark.parametrize("examples", rounds(), ids=len)
def test_a_malformed_setting_has_its_line(examples: list[tuple[str, str, str, str]]) -> None:
    result = start({**COMPLETE, **{name: value for name, value, *_ in examples}})

    lines = sorted(problem_lines(result.stderr))
    assert len(lines) == len(examples)
    for line, (name, _, found, expected) in zip(lines, examples, strict=True):
        assert line.startswith(f"{name}: found {found}")
        assert expected in line.partition("; expected ")[2]
    assert result.returncode != 0
    assert "Traceback" not in result.stderr


def test_every_setting_has_a_malformed_example() -> None:
    assert {name for name, *_ in MALFORMED} == known_environment.known


def test_all_problems_are_told_at_once() -> None:
    result = start({"STEWARD_DEBUG": "maybe", "STEWARD_LOG_FORMAT": "xml"})

    named = {line.partition(":")[0] for line in problem_lines(result.stderr)}
    assert named == {*COMPLETE, "STEWARD_DEBUG", "STEWARD_LOG_FORMAT"}


def test_a_problem_is_one_line_whatever_was_found() -> None:
    result = start({**COMPLETE, "STEWARD_TIME_ZONE": "a\nb" * 100})

    (line,) = problem_lines(result.stderr)
    assert len(line) < 250


def test_no_secret_is_echoed() -> None:
    """Whatever else is wrong, and whatever is wrong with the secret itself."""
    broken = {name: f"{value[:20]} " for name, value in COMPLETE.items() if name.endswith(("KEY", "KEYS"))}
    environment = {
        **COMPLETE,
        **broken,
        "DATABASE_URL": "mysql://u:database-password@h/db",
        "REDIS_URL": "http://:redis-pw@h",
    }

    result = start(environment)

    assert len(problem_lines(result.stderr)) == 5
    for secret in (*(value[:20] for value in SECRET_VALUES), "database-password", "redis-pw"):
        assert secret not in result.stderr + result.stdout


def test_an_unknown_name_warns_and_starts() -> None:
    result = start({**COMPLETE, "STEWARD_SWEEP_SECOND": "5", "STEWARD_COLOUR": "blue", "OTHER": "x"})

    assert result.returncode == 0
    assert result.stderr.splitlines() == [
        "Warning: STEWARD_COLOUR is set, but Steward has no such setting.",
        "Warning: STEWARD_SWEEP_SECOND is set, but Steward has no such setting. Did you mean STEWARD_SWEEP_SECONDS?",
    ]


def test_names_that_only_tests_set_do_not_warn() -> None:
    result = start({**COMPLETE, "STEWARD_CRASH_AT": "accept.before_commit", "STEWARD_CRASH_FILE": "/nowhere"})

    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("deadline", "budget", "lease", "refused"),
    [
        (10, 12, 30, []),
        (10, 12, 25, []),
        (10, 12, 24, ["STEWARD_LEASE_SECONDS"]),  # Two deadlines + 5.
        (10, 10, 30, ["STEWARD_REQUEST_BUDGET_SECONDS"]),
        (2, 30, 30, ["STEWARD_LEASE_SECONDS"]),
        (10, 9, 9, ["STEWARD_REQUEST_BUDGET_SECONDS", "STEWARD_LEASE_SECONDS"]),
    ],
)
def test_a_deadline_fits_into_a_request_and_a_request_into_a_lease(
    deadline: int, budget: int, lease: int, refused: list[str]
) -> None:
    result = start(
        {
            **COMPLETE,
            "STEWARD_PROVIDER_DEADLINE_SECONDS": str(deadline),
            "STEWARD_REQUEST_BUDGET_SECONDS": str(budget),
            "STEWARD_LEASE_SECONDS": str(lease),
        }
    )

    assert [line.partition(":")[0] for line in problem_lines(result.stderr)] == refused


def settings_with(names: str, **environment: str) -> list[object]:
    code = f"import json; from django.conf import settings as s; print(json.dumps([{names}], default=str))"
    result = run_python(code, {**COMPLETE, **environment})
    assert result.returncode == 0, result.stderr
    answer: list[object] = json.loads(result.stdout)
    return answer


def test_plain_http_is_friendly_and_https_is_strict() -> None:
    names = "s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_SSL_REDIRECT, s.SECURE_HSTS_SECONDS > 0"

    assert settings_with(names) == [True, True, True, True]
    assert settings_with(names, STEWARD_PUBLIC_URL="http://localhost:8000") == [False, False, False, False]


def test_nobody_may_claim_tls_where_there_is_none() -> None:
    names = "s.SECURE_PROXY_SSL_HEADER"

    assert settings_with(names) == [["HTTP_X_FORWARDED_PROTO", "https"]]
    assert settings_with(names, STEWARD_PUBLIC_URL="http://localhost:8000") == [None]


def test_the_public_url_says_which_hosts_may_be_asked_for() -> None:
    names = "s.ALLOWED_HOSTS, s.CSRF_TRUSTED_ORIGINS, s.STEWARD_PUBLIC_URL"

    assert settings_with(names, STEWARD_PUBLIC_URL="https://pay.example.com:8443/") == [
        ["pay.example.com", "localhost", "127.0.0.1"],
        ["https://pay.example.com:8443"],
        "https://pay.example.com:8443",
    ]
    assert settings_with("s.ALLOWED_HOSTS", STEWARD_ALLOWED_HOSTS="a.example, b.example") == [
        ["a.example", "b.example", "localhost", "127.0.0.1"]
    ]


def test_a_socket_folder_is_a_host() -> None:
    (database,) = settings_with("s.DATABASES['default']", DATABASE_URL="postgres:///steward?host=/run/db&user=me")

    assert isinstance(database, dict)
    assert (database["HOST"], database["USER"], database["NAME"]) == ("/run/db", "me", "steward")


def test_a_password_may_hold_what_a_url_must_escape() -> None:
    (database,) = settings_with(
        "s.DATABASES['default']", DATABASE_URL="postgresql://me:p%40ss%2F%23@h/db?sslmode=require"
    )

    assert isinstance(database, dict)
    assert (database["PASSWORD"], database["OPTIONS"]["sslmode"]) == ("p@ss/#", "require")


def test_the_pool_and_django_do_not_both_keep_connections() -> None:
    (database,) = settings_with("s.DATABASES['default']")

    assert isinstance(database, dict)
    assert (database["CONN_MAX_AGE"], database["CONN_HEALTH_CHECKS"]) == (0, True)
    assert database["OPTIONS"]["pool"] == {"min_size": 1, "max_size": 8, "timeout": 5.0}


@pytest.mark.parametrize(
    ("environment", "cache", "broker"),
    [
        ({}, "locmem.LocMemCache", "memory://"),
        ({"REDIS_URL": "none"}, "locmem.LocMemCache", "memory://"),
        ({"REDIS_URL": "redis://r/0"}, "redis.RedisCache", "redis://r/0"),
        ({"REDIS_URL": "unix:///run/r.sock?db=2"}, "redis.RedisCache", "redis+socket:///run/r.sock?virtual_host=2"),
        ({"REDIS_URL": "redis://r/0", "STEWARD_BROKER_URL": "amqp://b//"}, "redis.RedisCache", "amqp://b//"),
        ({"STEWARD_BROKER_URL": "amqp://b//"}, "locmem.LocMemCache", "amqp://b//"),
    ],
)
def test_redis_is_cache_and_broker_unless_something_else_is_said(
    environment: dict[str, str], cache: str, broker: str
) -> None:
    names = "s.CACHES['default']['BACKEND'], s.CELERY_BROKER_URL"

    assert settings_with(names, **environment) == [f"django.core.cache.backends.{cache}", broker]


def test_a_pipe_is_no_terminal() -> None:
    assert settings_with("s.STEWARD_LOG_FORMAT") == ["json"]
    assert settings_with("s.STEWARD_LOG_FORMAT", STEWARD_LOG_FORMAT="pretty") == ["pretty"]
