"""The environment our own processes get: secrets made once per state folder, addresses, nothing else."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet

from config.local.servers import Servers
from config.local.state import CannotStart, make_folder, read_private, write_private

_KEY_BYTES: Final = 32


def local_secrets(state: Path) -> dict[str, str]:
    """Made at the first start and never again: fields that were encrypted with them must stay readable."""
    path = state / "secrets.json"
    known = {name: str(value) for name, value in (read_private(path) or {}).items()}
    made = {
        "STEWARD_SECRET_KEY": secrets.token_urlsafe(_KEY_BYTES),
        "STEWARD_FIELD_KEYS": Fernet.generate_key().decode(),
        "STEWARD_HASH_KEY": secrets.token_urlsafe(_KEY_BYTES),
        # Between the sandbox providers and the demo's accounts with them.
        "SANDBOX_API_KEY": secrets.token_urlsafe(_KEY_BYTES),
        "SANDBOX_WEBHOOK_SECRET": secrets.token_urlsafe(_KEY_BYTES),
    }
    if not known and (state / "ports.json").exists():
        raise CannotStart(
            f"The data in {state} was encrypted with keys that are gone. Put {path} back from a backup; "
            "or remove that folder, and begin anew without its data."
        )
    if not made.keys() <= known.keys():
        write_private(path, made | known)
    return made | known


def settings_environment(*, state: Path, servers: Servers, public_url: str, waiting_url: str = "") -> dict[str, str]:
    """What our processes have to be told. Whatever the caller's environment says about it wins."""
    values = {**local_secrets(state), "STEWARD_PUBLIC_URL": public_url}
    values |= {"STEWARD_WAITING_URL": waiting_url} if waiting_url else {}
    values |= {name: text for name, text in os.environ.items() if text and (name in values or _is_setting(name))}
    values["DATABASE_URL"] = servers.database_url
    if servers.redis_url:
        values["REDIS_URL"] = servers.redis_url
    return values


def _is_setting(name: str) -> bool:
    return name.startswith("STEWARD_")


def child_environment(settings: Mapping[str, str], *, state: Path) -> dict[str, str]:
    """The caller's environment with our settings over it, and logs that are written line by line."""
    inherited = {name: text for name, text in os.environ.items() if name != "REDIS_URL"}
    # Two clones, or two users, would meet in the machine's own folder over files of the same name.
    temporary = str(make_folder(state / "tmp"))
    return {**inherited, "PYTHONUNBUFFERED": "1", "TMPDIR": temporary, **settings}
