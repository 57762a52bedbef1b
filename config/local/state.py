"""The state folder: where it is, its private files, and the claim that keeps two programs out of one folder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

PROJECT: Final = Path(__file__).resolve().parent.parent.parent
PRIVATE_FOLDER: Final = 0o700
# PostgreSQL may have to run as another user, who must be able to pass through; everything inside is private.
STATE_FOLDER: Final = 0o711


class CannotStart(Exception):
    """Nothing was started. The sentence says what is missing and what to do about it."""


class FolderInUse(CannotStart):
    """Another living process holds this state folder."""


def state_folder() -> Path:
    """`var/` in the project, or where STATE_DIR says."""
    return Path(os.environ.get("STATE_DIR") or PROJECT / "var").absolute()


def make_folder(path: Path, *, mode: int = PRIVATE_FOLDER) -> Path:
    """Made with exactly that mode, whatever the umask; one that is there already keeps its own."""
    try:
        if not path.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(mode)
    except OSError as error:
        raise CannotStart(f"Cannot make the folder {path}: {error.strerror}. Set STATE_DIR to another one.") from None
    return path


def write_private(path: Path, value: Mapping[str, Any]) -> None:
    """Replace the file in one step, readable by its owner alone: nobody ever reads half of it."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(value, file, indent=2)
            file.write("\n")
        os.replace(temporary, path)
    except OSError as error:
        raise CannotStart(f"Cannot write {path}: {error.strerror}. Set STATE_DIR to another folder.") from None


def read_private(path: Path) -> dict[str, Any] | None:
    """What was written, or None when there is nothing."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CannotStart(f"Cannot read {path}: {error}. If another user made it, set STATE_DIR.") from None
    if not isinstance(value, dict):
        raise CannotStart(f"{path} is not one of Steward's files. Move it away.")
    return value


def is_own(record: Mapping[str, Any], *, folder: Path) -> bool:
    """Whether the record was written here. One that came with a copied folder names the original's processes."""
    return record.get("state") == str(folder)


@contextlib.contextmanager
def claim(path: Path) -> Iterator[None]:
    """Hold the lock file while the body runs. The kernel lets go of it however this process ends."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotStart(f"Cannot open {path}: {error.strerror}. Set STATE_DIR to another folder.") from None
    try:
        _lock(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
        raise FolderInUse(f"Process {owner} already uses the folder {path.parent}.") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
