"""The field of a form for what people write in their own words."""

from __future__ import annotations

from typing import Any

from django import forms


class FreeText(forms.CharField):
    """Without `maxlength`: a browser cuts what is pasted and says nothing. The server says how long it may be."""

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {name: value for name, value in super().widget_attrs(widget).items() if name != "maxlength"}
