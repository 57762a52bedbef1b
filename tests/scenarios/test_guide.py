"""The ten-minute guide, run as it stands on the page: each block prints just what the page says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.scenarios.stack import ROOT, Stack

GUIDE = ROOT / "docs" / "api.md"
# A block, and what it prints, where the page says so.
BLOCK = re.compile(r"```bash\n(?P<code>.*?)```\n(?:\n```text\n(?P<printed>.*?)```)?", re.S)
MARK = "--- next block ---"
SECONDS = 120


def blocks() -> list[tuple[str, str]]:
    return [(match["code"], match["printed"] or "") for match in BLOCK.finditer(GUIDE.read_text(encoding="utf-8"))]


def test_every_block_says_what_it_prints() -> None:
    text = GUIDE.read_text(encoding="utf-8")

    assert len(blocks()) == text.count("```bash") >= 9
    assert all(printed for _, printed in blocks())
    assert text.count("```text") == len(blocks())


@pytest.mark.slow
def test_the_guide_works_when_it_is_pasted(stack: Stack, tmp_path: Path) -> None:
    # Whoever reads that Steward runs pastes at once: the process in which pages wait is there by then.
    assert not httpx.get(stack.record["environment"]["STEWARD_WAITING_URL"], trust_env=False).is_server_error
    script = f"echo '{MARK}'\n".join(code for code, _ in blocks())

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607  Whichever bash a reader has.
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )

    printed = done.stdout.split(f"{MARK}\n")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert printed == [expected for _, expected in blocks()]
    checked = stack.manage("check_invariants")
    assert checked.returncode == 0, checked.stdout
