"""Who calls, as the API takes and tells it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts.principals import PrincipalKind
from accounts.scopes import SCOPES
from api.serializers import OneOf, PlainText, StrictSerializer, is_unreadable
from kernel.modes import Mode

LONGEST_NAME, LONGEST_PASSWORD = 150, 500


class Password(PlainText):
    """Just as it was typed: nothing is trimmed, and a row of digits is no card number."""

    def to_internal_value(self, data: Any) -> str:
        if type(data) is not str or not 0 < len(data) <= self.longest:
            self.refuse("bad_text", shortest=1, longest=self.longest)
        if is_unreadable(data):
            self.refuse("unreadable")
        password: str = data
        return password


class SignInIn(StrictSerializer):
    username = PlainText(longest=LONGEST_NAME, shortest=1, is_reference=True)
    password = Password(longest=LONGEST_PASSWORD)
    restaurant = PlainText(longest=50, shortest=1, is_reference=True, help_text="Its slug.")
    mode = OneOf(Mode.values)


class TokenOut(serializers.Serializer[Any]):
    token = serializers.CharField(help_text="Shown once. Send it as `Authorization: Bearer …`.")
    expires_at = serializers.DateTimeField()
    restaurant = serializers.CharField()
    mode = serializers.ChoiceField(Mode.choices)
    scopes = serializers.ListField(child=serializers.ChoiceField(SCOPES))


class CallerOut(serializers.Serializer[Any]):
    kind = serializers.ChoiceField([kind.value for kind in PrincipalKind])
    id = serializers.UUIDField()
    restaurant = serializers.CharField()
    mode = serializers.ChoiceField(Mode.choices)
    scopes = serializers.ListField(child=serializers.ChoiceField(SCOPES))
    currency = serializers.CharField()
    time_zone = serializers.CharField()
