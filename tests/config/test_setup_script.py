"""The environment script's refusals: each one line that says what to do. Its success is what runs these tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.local.state import PROJECT

SCRIPT = Path("config/local/environment.sh")
# What sh itself needs; no Python among it.
STRANGER = 65534  # Nobody: owns nothing here.
TOOLS = ("sh", "cat", "cksum", "mkdir", "chmod", "grep", "tail", "date", "dirname", "rm")
OLD_PYTHON = '#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n'


# Only root may become somebody else.
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="nobody but root can be another user")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with nothing made in it yet, in a folder with a blank."""
    clone = tmp_path / "a clone"
    (clone / SCRIPT).parent.mkdir(parents=True)
    for name in (SCRIPT, Path("uv.lock"), Path("pyproject.toml")):
        shutil.copy(PROJECT / name, clone / name)
    (clone / "bin").mkdir()
    for tool in TOOLS:
        (clone / "bin" / tool).symlink_to(str(shutil.which(tool)))
    return clone


def _run(clone: Path, *, user: int | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": str(clone / "bin"), "HOME": str(clone)}
    return subprocess.run(
        ["/bin/sh", str(SCRIPT)],
        cwd=clone,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
        user=user,
    )


def test_an_old_python_is_named_with_its_remedy(clone: Path) -> None:
    python = clone / "bin" / "python3"
    python.write_text(OLD_PYTHON, encoding="utf-8")
    python.chmod(0o755)
    answer = _run(clone)
    assert answer.returncode != 0
    assert "Python 3.11 or newer is needed, and Python 3.9.2 is here" in answer.stderr
    assert not (clone / ".venv").exists()


def test_no_python_is_said_too(clone: Path) -> None:
    answer = _run(clone)
    assert answer.returncode != 0
    assert "no python3 is here" in answer.stderr


def test_a_state_folder_that_cannot_be_made_is_said(clone: Path) -> None:
    (clone / "file").write_text("in the way", encoding="utf-8")
    answer = _run(clone, STATE_DIR="file/inside")
    assert answer.returncode != 0
    assert "Set STATE_DIR to a folder that is yours." in answer.stderr


@pytest.fixture
def shared_clone(clone: Path) -> Iterator[Path]:
    """A clone where other users can read it."""
    with tempfile.TemporaryDirectory(prefix="steward clone ") as folder:
        shared = Path(folder) / "clone"
        shutil.copytree(clone, shared, symlinks=True)
        for path in (shared.parent, shared, *shared.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755)
        yield shared


def _run_as_stranger(clone: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return _run(clone, user=STRANGER, **environment)


@as_root
def test_a_clone_that_cannot_be_written_is_said_as_that(shared_clone: Path) -> None:
    answer = _run_as_stranger(shared_clone)
    assert answer.returncode != 0
    sentence = "cannot be written, and .venv/ has to be made in it. Put the clone into a folder that is yours."
    assert answer.stderr == f"{shared_clone} {sentence}\n"


@as_root
@pytest.mark.parametrize("folders", [["state"], ["state/log"]])
def test_a_state_folder_of_somebody_else_is_said_in_one_line(shared_clone: Path, folders: list[str]) -> None:
    shared_clone.chmod(0o777)
    for folder in folders:
        (shared_clone / folder).mkdir(mode=0o755, parents=True)
    answer = _run_as_stranger(shared_clone, STATE_DIR="state")
    assert answer.returncode != 0
    assert answer.stderr.startswith("Cannot write state/log")
    assert answer.stderr.endswith("Set STATE_DIR to a folder that is yours.\n")
    assert len(answer.stderr.splitlines()) == 1


def test_a_finished_environment_is_left_alone(clone: Path) -> None:
    """The stamp says from what it was made; then nothing is asked, written or said."""
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").symlink_to(os.path.realpath("/bin/true"))
    sources = ("uv.lock", "pyproject.toml", str(SCRIPT))
    content = b"".join((clone / name).read_bytes() for name in sources)
    stamp = subprocess.run(["/usr/bin/cksum"], input=content, capture_output=True, check=True).stdout
    (clone / ".venv" / ".complete").write_bytes(stamp)
    answer = _run(clone)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
    assert not (clone / "var").exists()
