"""The program itself: started, killed without warning, started again."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from payments.gateways.contract import Answer, Outcome
from sandbox.__main__ import arguments, settings
from sandbox.behaviours import CHARGES, Delay
from tests.gateways.parties import charge_request, look_up_of, refund_request
from tests.sandbox.running import API_KEY, ROOT, SECRET, as_a_process

WORDS = ["--books", "x", "--api-key", API_KEY, "--webhook-secret", SECRET]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=20
    )


def test_its_books_survive_a_kill(tmp_path: Path):
    charge, lost = charge_request(), charge_request("sim_timeout_after_effect")
    refund = refund_request(charge)
    with as_a_process(tmp_path) as (process, line):
        reference = line.gateway().charge(charge).reference
        line.gateway().refund(refund)
        assert line.gateway(seconds=0.3).charge(lost).outcome is Outcome.UNKNOWN
        process.kill()
        process.wait()
    with as_a_process(tmp_path) as (_, line):
        again = line.gateway().charge(charge)
        assert (again.outcome, again.reference) == (Outcome.SUCCEEDED, reference)
        assert line.gateway().look_up(look_up_of(refund)).answer is Answer.SUCCEEDED
        assert line.gateway().look_up(look_up_of(lost)).answer is Answer.SUCCEEDED
        orders = line.get("/v1/books")["orders"]
        assert orders[charge.order_reference]["captured"] == {"INR": 84000}
        assert orders[charge.order_reference]["refunded"] == {"INR": 1000}
        assert line.sends(charge.key) == 2


def test_what_it_had_promised_to_do_later_it_still_does(tmp_path: Path):
    charge = charge_request("sim_pending_then_ok")
    with as_a_process(tmp_path, "--delay-scale", "0.01") as (process, line):
        line.gateway().charge(charge)
        process.kill()
    with as_a_process(tmp_path) as (_, line):
        assert line.gateway().look_up(look_up_of(charge)).answer is Answer.SUCCEEDED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_it_is_asked_to(tmp_path: Path, number: signal.Signals):
    with as_a_process(tmp_path) as (process, line):
        line.gateway().charge(charge_request())
        process.send_signal(number)
        assert process.wait(timeout=5) == 0


def test_two_cannot_share_books_or_a_port(tmp_path: Path):
    with as_a_process(tmp_path / "a") as (_, line):
        port = line.url.rpartition(":")[2]
        secrets = ("--api-key", API_KEY, "--webhook-secret", SECRET)
        same_books = run("--port", "0", "--books", str(tmp_path / "a"), *secrets)
        same_port = run("--port", port, "--books", str(tmp_path / "b"), *secrets)
    for refused in (same_books, same_port):
        assert refused.returncode == 1
        assert "cannot be had" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_its_help_tells_every_token():
    text = run("--help")
    assert text.returncode == 0
    assert [token for token in CHARGES if token not in text.stdout] == []


def test_secrets_may_come_by_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SANDBOX_API_KEY", "from-outside")
    monkeypatch.setenv("SANDBOX_WEBHOOK_SECRET", "also-from-outside")
    given = arguments(["--books", "x"])
    assert (given.api_key, given.webhook_secret) == ("from-outside", "also-from-outside")


def test_without_secrets_it_does_not_start(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.delenv("SANDBOX_API_KEY", raising=False)
    monkeypatch.delenv("SANDBOX_WEBHOOK_SECRET", raising=False)
    with pytest.raises(SystemExit):
        arguments(["--books", "x"])
    assert "--api-key" in capsys.readouterr().err


def test_arguments_become_settings():
    given = arguments([*WORDS, "--delay-scale", "0.5", "--fee-bps", "190", "--key-lifetime", "60"])
    made = settings(given, 9101)
    assert (made.seconds[Delay.SLOW], made.fee_bps, made.key_lifetime_seconds) == (4.0, 190, 60.0)
    assert made.public_url == "http://127.0.0.1:9101"
    public = settings(arguments([*WORDS, "--public-url", "https://pay.example/"]), 1).public_url
    assert public == "https://pay.example"
