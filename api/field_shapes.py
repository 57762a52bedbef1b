"""How our own fields are described: with their bounds, so that a client's generator knows what is refused."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension

from api.serializers import Notes


class _Shape(OpenApiSerializerFieldExtension):
    match_subclasses = True


class WholeNumberShape(_Shape):
    target_class = "api.serializers.WholeNumber"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.target.low, "maximum": self.target.high}


class PlainTextShape(_Shape):
    target_class = "api.serializers.PlainText"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        # Trimmed first: what has to have letters has one that is no space.
        letters = {"minLength": self.target.shortest, "pattern": r"\S"} if self.target.shortest else {}
        return {"type": "string", **letters, "maxLength": self.target.longest}


class OneOfShape(_Shape):
    target_class = "api.serializers.OneOf"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.target.words)}


class NotesShape(_Shape):
    target_class = "api.serializers.Notes"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        text = {"type": "string", "maxLength": Notes.LONGEST}
        names = {"minLength": 1, "maxLength": Notes.LONGEST_NAME}
        return {
            "type": "object",
            "maxProperties": Notes.MOST,
            "propertyNames": names,
            "additionalProperties": text,
        }


class MoneyShape(_Shape):
    """What is given has the amount in words as well; what is taken may have them, and nothing else."""

    target_class = "api.serializers.MoneyField"

    def get_name(self) -> str:
        if self.target.is_given:
            return "Money" if self.target.low == 0 else "SignedMoney"
        return "MoneyAboveZeroIn" if self.target.low else "MoneyIn"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        amount = {
            "type": "integer",
            "minimum": self.target.low,
            "maximum": self.target.high,
            "examples": [84_000],
            "description": "In minor units: 84000 is ₹840.00.",
        }
        currency = {
            "type": "string",
            "pattern": "^[A-Z]{3}$",
            "examples": ["INR"],
            "description": "ISO 4217.",
        }
        needed = {"amount": amount, "currency": currency}
        display = {"type": "string", "description": "As people read it.", "examples": ["₹840.00"]}
        if self.target.is_given:
            needed["amount_display"] = display
        else:
            display["description"] = "May be left out. Otherwise just as it was told of this amount."
        given = {**needed, "amount_display": display}
        return {"type": "object", "properties": given, "required": list(needed)}
