"""The real settings over throw-away keys: for pytest, and for the type checker, which has no installation to read."""

from __future__ import annotations

import os

# Only what is missing is filled in: a variable that is set, DATABASE_URL first of all, is used as it is.
_THROW_AWAY = {
    "STEWARD_SECRET_KEY": "throw-away-secret-key-for-tests-only",
    "STEWARD_FIELD_KEYS": "dGhyb3ctYXdheS1maWVsZC1rZXktZm9yLXRlc3RzLi4=",
    "STEWARD_HASH_KEY": "throw-away-hash-key-for-tests-only",
    "STEWARD_PUBLIC_URL": "http://testserver",
    # The type checker never connects; `conftest.py` names a server that is there.
    "DATABASE_URL": "postgres:///steward",
}
for _name, _value in _THROW_AWAY.items():
    os.environ.setdefault(_name, _value)

from config.settings import *  # noqa: E402, F403  The environment has to be complete before they are read.

if _template := os.environ.get("TEST_DATABASE_TEMPLATE"):
    DATABASES["default"]["TEST"] = {"TEMPLATE": _template}  # noqa: F405  It was migrated by this run already.
PASSWORD_HASHERS = ["tests.hashing.QuickHasher"]
INSTALLED_APPS = [*INSTALLED_APPS, "tests.sim"]  # noqa: F405  For its command; it has no tables.
# Each test has clients of its own, and each client reads all static files at its start; so they are looked for when
# somebody asks for one. What is served, and how, is the same.
WHITENOISE_AUTOREFRESH = True
