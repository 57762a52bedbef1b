"""A verified notice as text and back: a signature is only good for minutes, a parked notice waits longer."""

from __future__ import annotations

import json
from typing import Any

from kernel.money import Money
from payments.gateways.contract import Answer, ErrorCode, LookUpResult, Notice, RefundFact, Subject, Theirs


def written(notice: Notice) -> str:
    result = notice.result
    return json.dumps(
        {
            "subject": notice.subject.value,
            "key": notice.key,
            "answer": result.answer.value,
            "code": result.code.value,
            "message": result.message,
            "reference": result.reference,
            "money": _pair(result.money),
            "refunds": [_written_fact(fact) for fact in result.refunds],
            "raw": dict(result.raw),
        }
    )


_DECIDES = 4  # So much of a refund decides about money.


def meaning(text: str) -> str:
    """What decides about money in it: a repetition may carry another time, or another number of tries."""
    said: dict[str, Any] = json.loads(text)
    # Who sent it back is a word for people, and what was stored earlier has none.
    said["refunds"] = [fact[:_DECIDES] for fact in said["refunds"]]
    return json.dumps({name: value for name, value in said.items() if name not in {"raw", "message"}}, sort_keys=True)


def read(event_id: str, text: str) -> Notice:
    said: dict[str, Any] = json.loads(text)
    result = LookUpResult(
        answer=Answer(said["answer"]),
        code=ErrorCode(said["code"]),
        message=said["message"],
        reference=said["reference"],
        money=_money(said["money"]),
        refunds=tuple(
            RefundFact(
                reference=reference,
                money=Money(*money),
                succeeded=succeeded,
                key=key,
                theirs=Theirs(theirs[0]) if theirs else Theirs.NOT_SAID,
            )
            for reference, money, succeeded, key, *theirs in said["refunds"]
        ),
        raw=said["raw"],
    )
    return Notice(id=event_id, subject=Subject(said["subject"]), key=said["key"], result=result)


def _written_fact(fact: RefundFact) -> list[Any]:
    return [fact.reference, _pair(fact.money), fact.succeeded, fact.key, fact.theirs.value]


def _pair(money: Money | None) -> list[Any] | None:
    return [money.minor, money.currency] if money else None


def _money(pair: list[Any] | None) -> Money | None:
    return Money(*pair) if pair else None
