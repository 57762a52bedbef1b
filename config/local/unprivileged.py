"""PostgreSQL refuses to run as root: which other user it gets, and folders which that user can reach."""

from __future__ import annotations

import errno
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from config.local.binaries import Postgres
from config.local.processes import RunAs
from config.local.state import CannotStart

# The first that exists. Both can neither log in nor own anything else of worth on a machine that tries Steward out.
CANDIDATES: Final = ("postgres", "nobody")
# Not /tmp, which is emptied by a restart of the machine: the data has to outlive it.
OUTSIDE: Final = Path("/var/tmp")  # noqa: S108  The name is checked for its owner before it is used.
_HASH_LETTERS: Final = 12
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def run_as(*, existing: Path) -> RunAs | None:
    """Nobody else for an ordinary user; for root the owner of what is already there, else a system user."""
    if os.geteuid() != 0:
        return None
    for entry in (_owner(existing), *map(_entry, CANDIDATES)):
        if entry and entry.pw_uid != 0:
            return RunAs(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise CannotStart(
        "PostgreSQL refuses to run as root, and this machine has neither a user postgres nor nobody."
        " Run as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own."
    )


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _owner(path: Path) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(path.lstat().st_uid)
    except (FileNotFoundError, KeyError):
        return None


def outside_folder(path: Path) -> Path:
    """A short name that is always the same for the same path and differs between clones."""
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:_HASH_LETTERS]
    return OUTSIDE / f"steward-{digest}"


def can_reach(user: RunAs, path: Path) -> bool:
    """Tried for real: modes, access lists and mount options all have their say."""
    command = ["/bin/sh", "-c", 'cd -- "$0"', str(path)]
    return _run_quietly(command, user=user)


def can_run(user: RunAs, program: Path) -> bool:
    return _run_quietly([str(program), "--version"], user=user)


def _run_quietly(command: list[str], *, user: RunAs) -> bool:
    try:
        answer = subprocess.run(  # noqa: S603  Our own command.
            command, capture_output=True, check=False, cwd=os.sep, **user.as_arguments()
        )
    except OSError as error:
        # Changing the user fails with one of these two; a program that this user may not run, with another number.
        if error.errno in {errno.EPERM, errno.EINVAL}:
            raise _cannot_change_user(user) from None
        return False
    return answer.returncode == 0


def _cannot_change_user(user: RunAs) -> CannotStart:
    return CannotStart(
        f"PostgreSQL refuses to run as root, and this root may not start it as {user.name}."
        " Run as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own."
    )


def make_owned(path: Path, *, owner: RunAs) -> Path:
    """A folder of that user alone. One that is already there must be exactly that, or somebody set a trap."""
    try:
        path.mkdir(mode=0o700)
        os.chown(path, owner.uid, owner.gid)
    except FileExistsError:
        _check_owner(path, uid=owner.uid, forbidden=_OTHERS)
    return path


def _check_owner(path: Path, *, uid: int, forbidden: int) -> None:
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & forbidden:
        raise CannotStart(f"{path} is not a private folder of user number {uid}. Remove it and start again.")


def reachable_copy(postgres: Postgres, *, user: RunAs) -> Postgres:
    """The programs themselves where that user can run them: a copy if they lie in a folder only root may enter."""
    if can_run(user, postgres.server):
        return postgres
    tree = postgres.folder.parent
    home = outside_folder(tree).with_name(f"{outside_folder(tree).name}-postgresql-{postgres.version}")
    if not home.exists():
        _copy(tree, home)
    _check_owner(home, uid=0, forbidden=_OTHERS_WRITE)
    copy = Postgres(home / tree.parent.name / tree.name / "bin", postgres.version, postgres.major)
    if not can_run(user, copy.server):
        raise CannotStart(
            f"PostgreSQL refuses to run as root, and the user {user.name} can run neither {postgres.server}"
            f" nor a copy in {home}. Run as an ordinary user, or set DATABASE_URL."
        )
    return copy


def _copy(tree: Path, home: Path) -> None:
    """The tree and the libraries beside its package, in the same relative places; complete or not there at all."""
    package = tree.parent
    libraries = package.with_name(f"{package.name}.libs")
    unfinished = Path(tempfile.mkdtemp(prefix=f"{home.name}.", dir=home.parent))
    try:
        leave_out = shutil.ignore_patterns("include", "*.a")
        shutil.copytree(tree, unfinished / package.name / tree.name, symlinks=True, ignore=leave_out)
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name)
        _open_to_all(unfinished)
        unfinished.rename(home)
    except OSError as error:
        raise CannotStart(f"Cannot copy PostgreSQL to {home}: {error.strerror}.") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _open_to_all(folder: Path) -> None:
    """Programs are for everybody to run and for root to change, whatever the umask was when they were installed."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if runs else 0o644)
