"""Every example of the API's description is asked of the live server, and is what the server says.

After a change: STEWARD_RECORD=1 make test ARGS='-k examples', then manage.py describe_api.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from api.pages_for_people import DESCRIPTION
from api.recorded import EXAMPLES
from tests.scenarios.case_refusals import record_case_refusals
from tests.scenarios.common_refusals import record_common_refusals
from tests.scenarios.examples import record_successes
from tests.scenarios.recorder import NOWHERE, Heard, Recorder
from tests.scenarios.refusals import REFUNDS_PER_HOUR, record_refusals, record_too_many_refunds
from tests.scenarios.stack import Stack

# Said before it is known who calls, or while nobody can know it.
BEFORE_COUNTING = frozenset({"forbidden", "restaurant_needed", "unavailable"})
EVENING = (
    *(record_successes, record_refusals, record_case_refusals),
    *(record_too_many_refunds, record_common_refusals),
)
PROBLEM = "application/problem+json"
# What HTTP, the server in front and a browser's safety say, and no client of this API looks at.
NOT_OURS = frozenset(
    {
        *("date", "server", "connection", "transfer-encoding", "content-type", "content-length", "vary"),
        *("cache-control", "cross-origin-opener-policy", "referrer-policy", "x-content-type-options"),
        *("content-security-policy", "x-frame-options", "x-accel-buffering"),
    }
)


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    """One evening of a whole server, with everything said that the description shows."""
    environment = {"STEWARD_REFUNDS_PER_HOUR": str(REFUNDS_PER_HOUR), "STEWARD_PUBLIC_URL": NOWHERE}
    stack = Stack(tmp_path_factory.mktemp("stack") / "var", **environment)
    try:
        with contextlib.closing(Recorder(stack)) as recorder:
            for record in EVENING:
                record(recorder)
        yield recorder
    finally:
        stack.stop()


@pytest.mark.slow
def test_what_the_server_says_is_what_the_description_shows(recorder: Recorder) -> None:
    """One evening for all that is asked of it: it takes most of a minute."""
    told = recorder.told()
    if os.environ.get("STEWARD_RECORD"):
        EXAMPLES.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    assert json.loads(EXAMPLES.read_text(encoding="utf-8")) == told
    assert len(recorder.heard) > 200
    assert _headers_that_nobody_describes(recorder) == set()
    assert _headers_that_are_promised_and_not_there(recorder) == set()
    assert _headers_sent(recorder) == set(description()["components"]["headers"])
    assert _refusals_that_nobody_describes(recorder) == set()


def _headers_that_nobody_describes(recorder: Recorder) -> set[tuple[Any, ...]]:
    return {
        (heard.operation, heard.status, header)
        for heard in recorder.heard
        for header in heard.headers - NOT_OURS - set(described_headers(heard))
    }


def _headers_that_are_promised_and_not_there(recorder: Recorder) -> set[tuple[Any, ...]]:
    return {
        (heard.operation, heard.status, name)
        for heard in recorder.heard
        for name, header in described_headers(heard).items()
        # Here somebody counts: what says how much is left is there as well.
        if header.get("required") or (name.startswith("ratelimit") and heard.code not in BEFORE_COUNTING)
        if name not in heard.headers
    }


def _headers_sent(recorder: Recorder) -> set[str]:
    """Of those that are described."""
    return {
        header["$ref"].rpartition("/")[2]
        for heard in recorder.heard
        for name, header in answer_to(heard).get("headers", {}).items()
        if name.lower() in heard.headers
    }


def _refusals_that_nobody_describes(recorder: Recorder) -> set[tuple[Any, ...]]:
    return {
        (heard.operation, heard.code)
        for heard in recorder.heard
        if heard.code and heard.operation
        if heard.code not in examples_of(answers()[heard.operation, heard.status])
    }


def test_every_operation_has_an_example_of_success() -> None:
    for operation in operations():
        successes = {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}
        with_bodies = [answer for answer in successes.values() if "content" in answer]
        shown = [content for answer in with_bodies for content in answer["content"].values() if content.get("examples")]
        assert len(shown) >= min(1, len(with_bodies)), operation["operationId"]


def test_every_kind_of_refusal_has_an_example_of_its_own_kind() -> None:
    shared = description()["components"]["examples"]

    for operation in operations():
        for status, answer in operation["responses"].items():
            for code, example in examples_of(answer).items():
                shown = shared[example["$ref"].rpartition("/")[2]] if "$ref" in example else example
                assert (shown["value"]["code"], str(shown["value"]["status"])) == (code, status)


def test_an_example_that_nobody_shows_is_not_kept() -> None:
    shown = {code for answer in answers().values() for code in examples_of(answer)}
    outside = {code for answer in description()["components"]["responses"].values() for code in examples_of(answer)}

    assert set(description()["components"]["examples"]) == shown | outside


@cache
def description() -> dict[str, Any]:
    described: dict[str, Any] = json.loads(DESCRIPTION.read_text(encoding="utf-8"))
    return described


def operations() -> list[dict[str, Any]]:
    return [each for methods in description()["paths"].values() for each in methods.values()]


@cache
def answers() -> dict[tuple[str, int], dict[str, Any]]:
    return {
        (operation["operationId"], int(status)): answer
        for operation in operations()
        for status, answer in operation["responses"].items()
    }


def examples_of(answer: dict[str, Any]) -> dict[str, Any]:
    examples: dict[str, Any] = answer.get("content", {}).get(PROBLEM, {}).get("examples", {})
    return examples


def answer_to(heard: Heard) -> dict[str, Any]:
    """What no operation answers is described beside them."""
    if heard.operation:
        return answers()[heard.operation, heard.status]
    return next(each for each in description()["components"]["responses"].values() if heard.code in examples_of(each))


def described_headers(heard: Heard) -> dict[str, Any]:
    """By their names in small letters."""
    known = description()["components"]["headers"]
    return {
        name.lower(): known[header["$ref"].rpartition("/")[2]]
        for name, header in answer_to(heard).get("headers", {}).items()
    }
