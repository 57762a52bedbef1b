"""Cases as the API takes and tells them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from api.serializers import MoneyField, OneOf, PlainText, StrictSerializer
from failures.decisions import ACTIONS, actions_for
from failures.models import Case, CaseKind, CaseStatus
from kernel.modes import Mode
from kernel.texts import MAX_REASON


class ActionIn(StrictSerializer):
    action = OneOf(ACTIONS, help_text="One of the case's `actions`.")
    reason = PlainText(longest=MAX_REASON, help_text="A colleague will read it.")
    amount = MoneyField(low=1, required=False, help_text="For `record_charged`: what the provider shows.")


class PaymentRef(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    reference = serializers.CharField()
    status = serializers.CharField()


class CaseOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(CaseKind.choices)
    sentence = serializers.CharField(help_text="The kind in words.")
    status = serializers.ChoiceField(CaseStatus.choices)
    mode = serializers.ChoiceField(Mode.choices)
    payment = PaymentRef(allow_null=True)
    subject = serializers.UUIDField(help_text="The payment, an attempt, a refund, an account or a notice.")
    owner = serializers.CharField(allow_null=True, help_text="Who took it.")
    actions = serializers.ListField(child=serializers.ChoiceField(ACTIONS))
    data = serializers.DictField(help_text="What the event said that opened it.")  # type: ignore[assignment]  # The framework takes it off the class.
    resolution = serializers.CharField()
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


def told_case(case: Case) -> dict[str, Any]:
    payment = case.payment
    names = ("id", "kind", "status", "mode", "data", "resolution", "opened_at", "closed_at")
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
