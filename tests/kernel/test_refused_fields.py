"""What is wrong with a field is read aloud with it, and the cursor stands in the first one that is wrong."""

from __future__ import annotations

import re

import pytest
from django import forms
from django.template.loader import render_to_string

SAID = ["failures/said.html", "payments/said.html"]


class Form(forms.Form):
    secret = forms.CharField(required=False, widget=forms.HiddenInput)
    first = forms.CharField(required=False)
    amount = forms.CharField(max_length=3, help_text="Such as 500.")
    reason = forms.CharField()


def drawn(template: str, form: forms.Form, **more: str) -> dict[str, str]:
    page = render_to_string(template, {"form": form, **more})
    for each in set(re.findall(r'aria-describedby="([^"]+)"', page)):
        assert all(f'id="{name}"' in page for name in each.split())
    return {re.findall(r'name="(\w+)"', tag)[0]: tag for tag in re.findall(r"<input[^>]*>", page)}


@pytest.mark.parametrize("template", SAID)
def test_the_first_refused_field_has_the_cursor_and_each_has_its_words(template: str) -> None:
    fields = drawn(template, Form({"amount": "12345", "reason": ""}, auto_id="say-%s"))

    assert [name for name, tag in fields.items() if 'aria-invalid="true"' in tag] == ["amount", "reason"]
    assert [name for name, tag in fields.items() if "autofocus" in tag] == ["amount"]
    assert 'aria-describedby="say-reason_error"' in fields["reason"]


@pytest.mark.parametrize("template", SAID)
def test_of_what_the_page_asks(template: str) -> None:
    fields = drawn(template, Form({"amount": "12345", "reason": ""}), asked="reason")

    assert list(fields) == ["secret", "reason"]
    assert "autofocus" in fields["reason"]


@pytest.mark.parametrize("template", SAID)
def test_a_form_that_nobody_sent_takes_no_cursor(template: str) -> None:
    assert "autofocus" not in "".join(drawn(template, Form()).values())
