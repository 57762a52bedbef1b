"""Who calls, as the API takes and tells it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts.principals import PrincipalKind
from accounts.scopes import SCOPES
from api.problems import NEXT_ACTIONS
from api.serializers import OneOf, PlainText, StrictSerializer, is_unreadable
from api.vocabulary import name_words
from kernel.modes import Mode

LONGEST_NAME, LONGEST_PASSWORD, LONGEST_CODE = 150, 500, 40

name_words("Mode", Mode.values, "`test`: no money moves. `live`: it does. They never see each other.")
name_words("Scope", SCOPES, "What a key, a person or a browser may do.")
name_words("CallerKind", [kind.value for kind in PrincipalKind], "A program, a person or a browser.")
name_words(
    "NextAction",
    NEXT_ACTIONS,
    "`none`: nothing. `fix_request`: change it, and send it again. `retry_same`: the same once more, with the same "
    "key, after `Retry-After`. `try_again`: a new try, by whoever wants it. `read_again`: it is not what you thought. "
    "`sign_in`. `ask_for_access`. `other_method`: pay another way. `contact_bank`. `wait`. `call_staff`.",
)


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
    username = PlainText(longest=LONGEST_NAME, shortest=1, is_reference=True, help_text="As in the console.")
    password = Password(longest=LONGEST_PASSWORD, help_text="As in the console.")
    restaurant = PlainText(longest=50, shortest=1, is_reference=True, help_text="Its slug.")
    mode = OneOf(Mode.values, help_text="What the token will be for.")
    code = PlainText(
        longest=LONGEST_CODE,
        shortest=1,
        is_reference=True,
        required=False,
        help_text="Of a person with a second factor: what the app on the phone shows now, or a recovery code.",
    )


class TokenOut(serializers.Serializer[Any]):
    token = serializers.CharField(help_text="Shown once. Send it as `Authorization: Bearer …`.")
    expires_at = serializers.DateTimeField(help_text="Until when.")
    restaurant = serializers.CharField(help_text="Its slug.")
    mode = serializers.ChoiceField(Mode.choices, help_text="What it is for.")
    scopes = serializers.ListField(child=serializers.ChoiceField(SCOPES), help_text="What may be done with it.")


class CallerOut(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(
        [kind.value for kind in PrincipalKind], help_text="A program, a person or a browser."
    )
    id = serializers.UUIDField(help_text="Of the key, the person or the payment.")
    restaurant = serializers.CharField(help_text="Its slug.")
    mode = serializers.ChoiceField(Mode.choices, help_text="Whether money is real here.")
    scopes = serializers.ListField(child=serializers.ChoiceField(SCOPES), help_text="What may be done.")
    currency = serializers.CharField(help_text="Of the restaurant: ISO 4217.")
    time_zone = serializers.CharField(help_text="Of the restaurant, as in the tz database.")
