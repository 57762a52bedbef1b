"""Every example of the API's description is asked of the live server, and is what the server says.

After a change: STEWARD_RECORD=1 make test ARGS='-k examples', then manage.py describe_api.
"""

from __future__ import annotations

import json
import os

import pytest

from api.describing import EXAMPLES
from api.pages_for_people import DESCRIPTION
from tests.scenarios.examples import Recorder, record
from tests.scenarios.stack import Stack

# Its answer has no end; tests/api/test_waiting.py hears it.
STREAM = "stream_payment"


@pytest.mark.slow
def test_examples_are_what_the_server_says(stack: Stack) -> None:
    recorder = Recorder(stack)
    try:
        record(recorder)
    finally:
        recorder.close()
    told = recorder.told()
    if os.environ.get("STEWARD_RECORD"):
        EXAMPLES.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    assert json.loads(EXAMPLES.read_text(encoding="utf-8")) == told


def test_every_operation_has_an_example_of_success() -> None:
    description = json.loads(DESCRIPTION.read_text(encoding="utf-8"))
    recorded = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    operations = [each for methods in description["paths"].values() for each in methods.values()]

    assert {each["operationId"] for each in operations} == {*recorded, STREAM}
    for operation in (each for each in operations if each["operationId"] != STREAM):
        statuses = {each["status"] for each in recorded[operation["operationId"]].values()}
        assert any(status < 300 for status in statuses), operation["operationId"]
        for status in statuses - {204}:
            answer = operation["responses"][str(status)]
            assert any(content.get("examples") for content in answer["content"].values()), operation["operationId"]
