"""What people write in their own words is cut by nobody: it is refused, with how long it may be."""

from __future__ import annotations

from django import forms

from kernel.free_text import FreeText


class Asked(forms.Form):
    why = FreeText(max_length=5, widget=forms.TextInput(attrs={"autocomplete": "off"}))


def test_a_browser_cuts_nothing() -> None:
    assert str(Asked()["why"]) == '<input type="text" name="why" autocomplete="off" required id="id_why">'


def test_what_is_too_long_is_refused_and_kept() -> None:
    form = Asked({"why": "because"})

    assert form.errors["why"] == ["Ensure this value has at most 5 characters (it has 7)."]
    assert 'value="because"' in str(form["why"])
