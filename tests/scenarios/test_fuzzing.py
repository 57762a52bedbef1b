"""An independent eye on the API: schemathesis plays every operation of the live server, as three roles."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from tests.proof.records import record
from tests.rotation import of_today
from tests.scenarios.stack import ROOT, Stack

# Everything but what no description can say: which of the right bodies are right for this order.
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance"),
    *("response_schema_conformance", "negative_data_rejection", "missing_required_header", "unsupported_method"),
    *("use_after_free", "ensure_resource_availability", "ignored_auth", "allow_header_conformance"),
)
MOST_EXAMPLES = 15
# What everybody plays: by chance, by the examples, and along the links from one operation to the next.
PHASES = ("examples", "fuzzing", "stateful")
# Every bound of every field, without chance. They are the same for all: each day another role tries them, and all do
# in `make proof`.
BOUNDS = "coverage"
SECONDS = 400
ROLES = ("key", "waiter", "finance")


def secret_of(stack: Stack, role: str) -> str:
    if role == "key":
        return str(stack.record["api_keys"][1]["key"])
    body = {"username": role, "password": "steward-demo", "restaurant": "saffron-table", "mode": "test"}
    answer = httpx.post(f"{stack.record['addresses']['web']}/api/v1/tokens", json=body, trust_env=False)
    return str(answer.json()["token"])


@pytest.mark.slow
@pytest.mark.parametrize("bounded", [of_today(ROLES, 1), pytest.param(ROLES, marks=pytest.mark.proof)])
def test_no_request_breaks_the_api_or_its_description(stack: Stack, tmp_path: Path, bounded: Sequence[str]) -> None:
    for role in ROLES:
        phases = [*PHASES, BOUNDS] if role in bounded else PHASES
        done = _play(stack, secret_of(stack, role), tmp_path / role, phases)
        assert done.returncode == 0, done.stdout[-8_000:]
        (cases,) = re.findall(r"(\d+) generated", done.stdout)
        record("api", what="cases", role=role, cases=int(cases))
    checked = stack.manage("check_invariants")
    assert checked.returncode == 0, checked.stdout


def _play(stack: Stack, secret: str, folder: Path, phases: Sequence[str]) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    web = stack.record["addresses"]["web"]
    return subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", str(ROOT / "api" / "openapi.json"), "--url", web),
            *("--header", f"Authorization: Bearer {secret}", "--checks", ",".join(CHECKS)),
            *("--phases", ",".join(phases)),
            # Another name would be refused before anything else of the request is looked at.
            *("--header", "Steward-Restaurant: saffron-table"),
            *("--max-examples", str(MOST_EXAMPLES), "--seed", "1", "--no-color", "--continue-on-failure"),
            # A token that was given back opens nothing more, and the next request would be a stranger's.
            *("--exclude-operation-id", "sign_out", "--suppress-health-check", "all", "--warnings", "off"),
        ],
        cwd=folder,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
