"""axe-core from npm, which judges a page's accessibility: installed by a lock file that names what it is."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
INSTALLED = HERE / "node_modules" / "axe-core"
# One package of half a megabyte. Longer is a registry that does not answer.
INSTALL_SECONDS = 120.0


def axe_source() -> str:
    """The script, installed where it is missing or another version than the lock names."""
    if _version_here() != _version_locked():
        npm = shutil.which("npm")
        assert npm is not None, "npm is missing."
        # No script of a package is run: what comes from there is read, by one browser in a test.
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS)
        assert done.returncode == 0, done.stderr
    return (INSTALLED / "axe.min.js").read_text(encoding="utf-8")


def _version_locked() -> str:
    lock = json.loads((HERE / "package-lock.json").read_text(encoding="utf-8"))
    return str(lock["packages"]["node_modules/axe-core"]["version"])


def _version_here() -> str | None:
    package = INSTALLED / "package.json"
    return str(json.loads(package.read_text(encoding="utf-8"))["version"]) if package.exists() else None
