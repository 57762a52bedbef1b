"""What a person says who gives money back. The amount is typed as people write it, in the payment's own currency."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from kernel import clock
from kernel.money import Money
from kernel.texts import MAX_REASON
from payments.admin.provider_forms import why
from payments.models import Payment, Refund
from payments.refund_outlooks import RefundOutlook

_DECIMAL = {"inputmode": "decimal", "autocomplete": "off"}
LONGEST_AMOUNT = 20  # More digits than any bill has.


class PressForm(forms.Form):
    """Good for one press, and for the payment as it was shown."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    press = forms.UUIDField(widget=forms.HiddenInput)


class GiveBackForm(PressForm):
    amount = forms.CharField(max_length=LONGEST_AMOUNT, widget=forms.TextInput(attrs=_DECIMAL))
    tip = forms.CharField(max_length=LONGEST_AMOUNT, required=False, widget=forms.TextInput(attrs=_DECIMAL))
    reopens_order = forms.BooleanField(
        label="Make the order payable again",
        required=False,
        help_text="By this amount, for a guest who pays in another way. Otherwise nobody is asked for it again.",
    )
    reason = why(MAX_REASON)

    once_more = forms.BooleanField(
        label="Give money back once more",
        error_messages={
            "required": "Some of it went back just now, or is on its way. Tick this if more is to go back."
        },
    )

    def __init__(self, *args: Any, outlook: RefundOutlook, lately: Refund | None = None, **kwargs: Any) -> None:
        """A surplus was never due: all of it goes back, and nothing becomes payable by that. `lately` is what the same
        person gave back of it a moment ago: whoever came back to the page by the browser may not know.
        """
        super().__init__(*args, **kwargs)
        self.outlook, self.lately = outlook, lately
        if lately is None:
            del self.fields["once_more"]
        self.fields["amount"].label = f"Amount in {outlook.currency}"
        self.fields["tip"].label = f"Of the tip, in {outlook.currency}"
        self.fields["amount"].help_text = f"{outlook.share.display()} is left to give back."
        self.fields["tip"].help_text = f"{outlook.tip.display()} of the tip is left. It goes back beside the amount."
        gone = ("amount", "tip", "reopens_order") if outlook.is_surplus else () if outlook.tip_minor else ("tip",)
        for name in gone:
            del self.fields[name]

    @classmethod
    def on_page(cls, payment: Payment, outlook: RefundOutlook, lately: Refund | None) -> GiveBackForm:
        """Prefilled with all that is left."""
        typed = {"amount": outlook.share.plain(), "tip": outlook.tip.plain()}
        said = {"version": payment.version, "press": str(clock.new_id()), **typed}
        return cls(initial=said, outlook=outlook, lately=lately)

    def clean_amount(self) -> int:
        return self._minor("amount")

    def clean_tip(self) -> int:
        return self._minor("tip") if self.cleaned_data["tip"].strip() else 0

    def _minor(self, name: str) -> int:
        try:
            return Money.parse(self.cleaned_data[name], self.outlook.currency).minor
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def asked_for(self) -> dict[str, Any]:
        """In the service's words: the whole is no amount."""
        said, left = self.cleaned_data, self.outlook
        typed = (said.get("amount", left.share_minor), said.get("tip", 0))
        is_whole = left.is_surplus or typed == (left.share_minor, left.tip_minor)
        return {
            "amount_minor": None if is_whole else typed[0],
            "tip_minor": 0 if is_whole else typed[1],
            "reopens_order": said.get("reopens_order", False),
            "reason": said["reason"],
            "version": said["version"],
        }
