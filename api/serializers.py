"""Fields and serializers that take nothing for something else: no text as a number, no unknown name, no card number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kernel.card_numbers import contains_card_number
from kernel.money import MAX_MINOR, Money, is_currency
from kernel.texts import turns_around

_SURROGATES = re.compile("[\ud800-\udfff]")
CARD_SENTENCE = "This looks like a card number. Card numbers belong on the provider's page only."


def is_unreadable(text: str) -> bool:
    """Neither the database nor a hash takes it."""
    return "\x00" in text or _SURROGATES.search(text) is not None


class StrictSerializer(serializers.Serializer[Any]):
    """Unknown names are refused: a typing error must not be taken for a default."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError("This is a JSON object.", code="not_an_object")
        known = {name for name, field in self.fields.items() if not field.read_only}
        unknown = [name for name in data if name not in known]
        if unknown:
            sentence = f"There is no such field. Known are: {', '.join(sorted(known)) or 'none'}."
            error = serializers.ErrorDetail(sentence, code="unknown_field")
            raise serializers.ValidationError({str(name): [error] for name in unknown})
        return super().to_internal_value(data)


class WholeNumber(serializers.Field[int, Any, int, Any]):
    """An integer and nothing else: not a text, not a fraction, not true."""

    default_error_messages = {
        "not_an_integer": "This is a whole number, written without quotes and without a decimal point.",
        "out_of_range": "This is a whole number from {low} to {high}.",
    }

    def __init__(self, *, low: int = 0, high: int = MAX_MINOR, **options: Any) -> None:
        super().__init__(**options)
        self.low, self.high = low, high

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("not_an_integer")
        if not self.low <= data <= self.high:
            self.fail("out_of_range", low=self.low, high=self.high)
        number: int = data
        return number

    def to_representation(self, value: Any) -> int:
        return int(value)


class Flag(serializers.Field[bool, Any, bool, Any]):
    default_error_messages = {"not_a_boolean": "This is true or false, written without quotes."}

    def to_internal_value(self, data: Any) -> bool:
        if type(data) is not bool:
            self.fail("not_a_boolean")
        flag: bool = data
        return flag

    def to_representation(self, value: Any) -> bool:
        return bool(value)


class PlainText(serializers.Field[str, Any, str, Any]):
    """Text that people read. What looks like a card number is refused before anything stores it (I18)."""

    default_error_messages = {
        "not_a_text": "This is a text, in quotes.",
        "bad_text": "This is a text of {shortest} to {longest} characters.",
        "unreadable": "This text has characters that cannot be stored.",
        "turned_around": "This text has an unseen character that turns the reading around.",
        "card_number": CARD_SENTENCE,
    }

    def __init__(self, *, longest: int, shortest: int = 0, is_reference: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.longest, self.shortest, self.is_reference = longest, shortest, is_reference

    def refuse(self, code: str, **words: Any) -> NoReturn:
        """For fields that are more than a text, in rooms where `fail` is a step of a machine."""
        self.fail(code, **words)

    def to_internal_value(self, data: Any) -> str:
        if type(data) is not str:
            self.fail("not_a_text")
        text: str = data.strip()
        if not self.shortest <= len(text) <= self.longest:
            self.fail("bad_text", shortest=self.shortest, longest=self.longest)
        if is_unreadable(text):
            self.fail("unreadable")
        if turns_around(text):
            self.fail("turned_around")
        if not self.is_reference and contains_card_number(text):
            self.fail("card_number")
        return text

    def to_representation(self, value: Any) -> str:
        return str(value)


class OneOf(serializers.Field[str, Any, str, Any]):
    """One of a few words."""

    default_error_messages = {"unknown_word": "This is one of: {words}."}

    def __init__(self, words: list[str], **options: Any) -> None:
        super().__init__(**options)
        self.words = words

    def to_internal_value(self, data: Any) -> str:
        if type(data) is not str or data not in self.words:
            self.fail("unknown_word", words=", ".join(self.words))
        word: str = data
        return word

    def to_representation(self, value: Any) -> str:
        return str(value)


class Identifier(serializers.Field[UUID, Any, str, Any]):
    default_error_messages = {
        "not_an_id": "This is an id as this API gives it: 36 characters, hexadecimal with dashes."
    }

    def to_internal_value(self, data: Any) -> UUID:
        read = as_uuid(data)
        if read is None:
            self.fail("not_an_id")
        return read

    def to_representation(self, value: Any) -> str:
        return str(value)


UUID_LENGTH = 36


def as_uuid(text: Any) -> UUID | None:
    """In its one spelling: `UUID` itself takes braces, no dashes, and more."""
    if not isinstance(text, str) or len(text) != UUID_LENGTH:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


class Currency(serializers.Field[str, Any, str, Any]):
    default_error_messages = {"not_a_currency": "This is an ISO 4217 code in capitals, such as INR."}

    def to_internal_value(self, data: Any) -> str:
        if type(data) is not str or not is_currency(data):
            self.fail("not_a_currency")
        code: str = data
        return code

    def to_representation(self, value: Any) -> str:
        return str(value)


MAX_DISPLAY = 50  # The longest amount in any language's form.


class _MoneyIn(StrictSerializer):
    amount = WholeNumber()
    currency = Currency()
    amount_display = PlainText(longest=MAX_DISPLAY, required=False)  # So that what was told can be sent back.


class MoneyField(serializers.Field[Money, Any, dict[str, Any], Any]):
    """`{"amount": 84000, "currency": "INR"}`: minor units. Answers say it as people read it, too."""

    def __init__(self, *, low: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.low, self.high = low, MAX_MINOR

    @property
    def is_given(self) -> bool:
        """In an answer, and not in a request."""
        return not isinstance(self.parent, StrictSerializer)

    def to_internal_value(self, data: Any) -> Money:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError(
                'This is an object: {"amount": 84000, "currency": "INR"}.', "not_an_object"
            )
        parts = _MoneyIn(data=data)
        if not parts.is_valid():
            raise serializers.ValidationError(parts.errors)
        money = Money(parts.validated_data["amount"], parts.validated_data["currency"])
        if parts.validated_data.get("amount_display", money.display()) != money.display():
            sentence = f"This amount is {money.display()}. Leave it out, or send it as it was told."
            raise serializers.ValidationError(
                {"amount_display": [serializers.ErrorDetail(sentence, code="other_amount")]}
            )
        if money.minor < self.low:
            sentence = f"This is a whole number from {self.low} to {MAX_MINOR}."
            raise serializers.ValidationError({"amount": [serializers.ErrorDetail(sentence, code="out_of_range")]})
        return money

    def to_representation(self, value: Money) -> dict[str, Any]:
        return {"amount": value.minor, "currency": value.currency, "amount_display": value.display()}


class Notes(serializers.Field[dict[str, str], Any, dict[str, Any], Any]):
    """Somebody else's notes on our row: names and texts, a few of them."""

    MOST, LONGEST_NAME, LONGEST = 50, 40, 500
    default_error_messages = {
        "not_notes": "These are at most {most} names of up to {name} characters, each with a text of up to {text}.",
        "card_number": CARD_SENTENCE,
    }

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict) or not self._fits(data):
            self.fail("not_notes", most=self.MOST, name=self.LONGEST_NAME, text=self.LONGEST)
        if any(contains_card_number(part) for pair in data.items() for part in pair):
            self.fail("card_number")
        return data

    def to_representation(self, value: Any) -> dict[str, Any]:
        return dict(value)

    def _fits(self, data: dict[str, Any]) -> bool:
        return len(data) <= self.MOST and all(
            0 < len(name) <= self.LONGEST_NAME
            and isinstance(text, str)
            and len(text) <= self.LONGEST
            and not is_unreadable(name + text)
            for name, text in data.items()
        )


extend_schema_field({"type": "boolean"})(Flag)
extend_schema_field({"type": "string", "format": "uuid"})(Identifier)
extend_schema_field({"type": "string", "pattern": "^[A-Z]{3}$"})(Currency)
