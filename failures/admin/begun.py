"""A note that was begun when somebody pressed another button of its page: it stands in its box again afterwards."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from cryptography.fernet import InvalidToken
from django.contrib import messages
from django.http import HttpRequest

from failures.services.papers import LONGEST_NOTE
from kernel.card_numbers import contains_card_number
from kernel.fields import decrypt, encrypt

# What `begun.js` lays to the form that is pressed; and where it is kept meanwhile.
_BEGUN = "begun_note"
_TOO_LONG = f"The note that you had begun is cut: a note has at most {LONGEST_NOTE:,} characters."
_NOT_KEPT = "The note that you had begun is not kept: there is a card number in it."


def taken_out(request: HttpRequest) -> str:
    """Of what was said by the press, which is known by its own words and not by those of another form."""
    said: Any = request.POST.copy()
    text = "".join(said.pop(_BEGUN, [])[:1]).strip()
    request.POST = said
    if len(text) > LONGEST_NOTE:
        messages.warning(request, _TOO_LONG)
        text = text[:LONGEST_NOTE]
    if not contains_card_number(text):
        return text
    messages.warning(request, _NOT_KEPT)
    return ""


def keep(request: HttpRequest, case_id: UUID, text: str) -> None:
    """Until the page is there again, which the press leads to. As a note is kept: nobody reads it in the database."""
    if text:
        request.session[_BEGUN] = [str(case_id), encrypt(text)]


def given_back(request: HttpRequest, case_id: UUID) -> str:
    """Once: from then on it is in the box, or was taken out of it."""
    of_case, token = request.session.get(_BEGUN, ("", ""))
    if of_case != str(case_id):
        return ""
    del request.session[_BEGUN]
    try:
        return decrypt(token)
    except InvalidToken:
        return ""  # Its key was taken away meanwhile: the page is there without it.
