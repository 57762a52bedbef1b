"""Cases, and what second persons are asked about them, as the API takes and tells them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts.models import Approval, ApprovalStatus
from api.serializers import MoneyField, OneOf, PlainText, StrictSerializer, WholeNumber
from api.vocabulary import name_words
from failures.approvals import Verdict
from failures.decisions import ACTIONS, actions_for
from failures.models import Case, CaseKind, CaseStatus, Outcome
from kernel.modes import Mode
from kernel.texts import MAX_REASON
from payments.services.acceptance import MAX_PROVIDER

name_words("CaseAction", ACTIONS, "What a named person may decide.")
name_words("CaseKind", CaseKind.values, "What a case is about; `sentence` says it in words.")
name_words("ApprovalStatus", ApprovalStatus.values, "Where a request to a second person stands.")
name_words("CaseStatus", CaseStatus.values, "Where a case stands.")

_SEEN = "Of the case, as you saw it: refused where something happened to it since. Default: as it is now."


class ActionIn(StrictSerializer):
    action = OneOf(ACTIONS, help_text="One of the case's `actions`.")
    reason = PlainText(longest=MAX_REASON, help_text="A colleague will read it.")
    version = WholeNumber(required=False, help_text=_SEEN)
    amount = MoneyField(low=1, required=False, help_text="For `record_charged`: what the provider shows.")
    outcome = OneOf(Outcome.values, required=False, help_text="For `resolve`: how it ended, of what fits the case.")
    provider = PlainText(
        longest=MAX_PROVIDER,
        shortest=1,
        is_reference=True,
        required=False,
        help_text="For `retry`: only this one is tried. Default: the one that the client asked for, else routed.",
    )


class ReplyIn(StrictSerializer):
    verdict = OneOf([each.value for each in Verdict], help_text="What you say to it.")
    reason = PlainText(longest=MAX_REASON, required=False, help_text="Needed to reject and to withdraw.")
    version = WholeNumber(required=False, help_text=_SEEN)
    code = PlainText(longest=40, required=False, help_text="Of the second factor, of whoever asked and is alone.")


class PaymentRef(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="The payment's `id`.")
    reference = serializers.CharField(help_text="Short, to read aloud.")
    status = serializers.CharField(help_text="Where it stands.")


class CaseOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="In addresses.")
    kind = serializers.ChoiceField(CaseKind.choices, help_text="What it is about.")
    sentence = serializers.CharField(help_text="The kind in words.")
    status = serializers.ChoiceField(CaseStatus.choices, help_text="Whether somebody still has to look.")
    mode = serializers.ChoiceField(Mode.choices, help_text="Whether it is about real money.")
    payment = PaymentRef(allow_null=True, help_text="Which payment. Null: it is about none.")
    subject = serializers.UUIDField(help_text="The payment, an attempt, a refund, an account or a notice.")
    owner = serializers.CharField(allow_null=True, help_text="Who took it.")
    actions = serializers.ListField(
        child=serializers.ChoiceField(ACTIONS),
        help_text="Which there are for such a case. One that does not fit how things stand is refused, and says why.",
    )
    data = serializers.DictField(help_text="What the event said that opened it.")  # type: ignore[assignment]  # The framework takes it off the class.
    resolution = serializers.CharField(help_text="How it ended. Empty: it has not.")
    version = serializers.IntegerField(help_text="Of its last change. Sent with a decision, none is about old news.")
    opened_at = serializers.DateTimeField(help_text="When it was opened.")
    closed_at = serializers.DateTimeField(allow_null=True, help_text="When it ended.")


class ApprovalOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="In addresses.")
    action = serializers.CharField(help_text="What is to be done: a case's action, or `request_refund`.")
    status = serializers.ChoiceField(ApprovalStatus.choices, help_text="Whether somebody still has to answer.")
    mode = serializers.ChoiceField(Mode.choices, help_text="Whether it is about real money.")
    case = serializers.UUIDField(help_text="In which case it is asked.")
    version = serializers.IntegerField(help_text="Of that case, for an answer.")
    subject = serializers.UUIDField(help_text="What it is done to: an attempt, a refund, new credentials or the case.")
    reason = serializers.CharField(help_text="Of whoever asks.")
    asked_by = serializers.CharField(allow_null=True, help_text="Who asks. Null: a program, with its key.")
    before = serializers.DictField(help_text="How it looked when it was asked.")
    after = serializers.DictField(help_text="How it would have looked, done at once.")
    answered_by = serializers.CharField(allow_null=True, help_text="Who approved or rejected it.")
    answer = serializers.CharField(help_text="In the words of whoever answered.")
    is_alone = serializers.BooleanField(help_text="Nobody else could agree: approved by whoever asked, an hour later.")
    created_at = serializers.DateTimeField(help_text="When it was asked.")
    expires_at = serializers.DateTimeField(help_text="Until when it can be answered.")
    decided_at = serializers.DateTimeField(allow_null=True, help_text="When it ended, however it did.")


def told_approval(approval: Approval) -> dict[str, Any]:
    names = ("id", "action", "status", "mode", "reason", "before", "after", "answer", "is_alone")
    said = {
        **{name: getattr(approval, name) for name in (*names, "created_at", "expires_at", "decided_at")},
        "case": approval.asked_from,
        "version": getattr(approval, "case_version"),  # noqa: B009  As `approvals_of` read it.
        "subject": approval.subject_id,
        "asked_by": approval.maker.get_username() if approval.maker else None,
        "answered_by": approval.checker.get_username() if approval.checker else None,
    }
    told: Any = ApprovalOut(said)
    return dict(told.data)


def told_case(case: Case) -> dict[str, Any]:
    payment = case.payment
    names = ("id", "kind", "status", "mode", "data", "resolution", "version", "opened_at", "closed_at")
    said = {
        **{name: getattr(case, name) for name in names},
        "sentence": case.get_kind_display(),
        "payment": {"id": payment.pk, "reference": payment.reference, "status": payment.status} if payment else None,
        "subject": case.subject_id,
        "owner": case.owner.get_username() if case.owner else None,
        "actions": [action.value for action in actions_for(case)],
    }
    told: Any = CaseOut(said)
    return dict(told.data)
