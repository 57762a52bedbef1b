"""The pages of the second factor: the code after the password, setting one up, and once more where it matters."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

import segno
from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.debug import sensitive_post_parameters
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.console_gate import way_back
from accounts.console_session import FRESH_FOR, Standing, has_fresh_factor, note_code_given, sitting_of
from accounts.selectors import offered_to, recovery_codes_left
from accounts.services.second_factor import (
    RECOVERY_CODES,
    Given,
    Refusal,
    SecondFactorRefused,
    address_of,
    begin_enrolment,
    confirm_enrolment,
    renew_recovery_codes,
    secret_in_groups,
    verify_code,
)

# Named apart from whatever fields the pages have that ask for it.
CODE_FIELD: Final = "second_factor_code"
LONGEST_CODE: Final = 40  # A recovery code with all the blanks and dashes that somebody may put between.
_MARGIN = 2  # Around the picture, in its own squares: cameras find it, and the page has a margin as well.
_MINUTES = int(FRESH_FOR.total_seconds() // 60)
# Of two presses a browser shows the answer to the second one alone.
_PRESSED_BEFORE = (
    "It was set up by an earlier press, and the answer to that one showed your recovery codes. "
    "If you have not seen them, press “New recovery codes”: the unseen ones end by that."
)
# The console's frame, with its menu, and the sign-in's, without.
_INSIDE, _OUTSIDE = "admin/base_site.html", "unfold/layouts/unauthenticated.html"


class CodeInput(UnfoldAdminTextInputWidget):  # type: ignore[misc]  # Unfold has no types: it is `Any` to the checker.
    def format_value(self, value: Any) -> None:
        """Empty again after a refusal: the next code is another one, and none stands in a page."""


class CodeForm(forms.Form):
    second_factor_code = forms.CharField(
        label="Code",
        max_length=LONGEST_CODE,
        error_messages={"required": "Type the six digits that your app shows."},
        widget=CodeInput(
            attrs={
                "autocomplete": "one-time-code",
                "inputmode": "numeric",
                "spellcheck": "false",
                "autofocus": True,
                # Unfold hides a page until its script has run, and a hidden field takes no focus.
                "x-init": "$nextTick(() => $el.focus())",
            }
        ),
    )


@sensitive_post_parameters(CODE_FIELD)
def code_page(request: HttpRequest) -> HttpResponse:
    """After the password, before anything else."""
    return _asked(request, "accounts/factor_code.html", title="Your code", is_due=_is_due_at_the_door(request))


@sensitive_post_parameters(CODE_FIELD)
def confirm_page(request: HttpRequest) -> HttpResponse:
    """Once more, where the last code is too long ago."""
    title = "Confirm that it is you"
    return _asked(request, "accounts/factor_confirm.html", title=title, is_due=not has_fresh_factor(request))


def code_first(request: HttpRequest) -> HttpResponse | None:
    """The page to answer with instead, or None: a code was given in the last ten minutes.

    Nothing that was typed is lost: what was sent stands in the page that asks, and comes again together with the code.
    """
    if has_fresh_factor(request):
        return None
    if request.method != "POST":
        return redirect(f"{reverse('second_factor_confirm')}?{urlencode({'next': request.get_full_path()})}")
    form = CodeForm(request.POST if CODE_FIELD in request.POST else None)
    if form.is_bound and _is_taken(request, form):
        return None
    carried = [(name, value) for name, values in request.POST.lists() for value in values if name != CODE_FIELD]
    more = {"carried": [pair for pair in carried if pair[0] != "csrfmiddlewaretoken"]}
    title = "Confirm that it is you"
    return _page(request, "accounts/factor_confirm.html", title=title, form=form, minutes=_MINUTES, **more)


def code_before_secrets(request: HttpRequest) -> HttpResponse | None:
    """The same for a page where a secret is typed: already before it is shown, and nothing is carried anywhere."""
    if has_fresh_factor(request):
        return None
    if request.method != "POST":
        return code_first(request)
    messages.warning(request, "Confirm that it is you, then type it again: no secret is kept meanwhile.")
    return redirect(request.path)


@sensitive_post_parameters(CODE_FIELD)
def factor_page(request: HttpRequest) -> HttpResponse:
    """One's own: set up, moved to another phone, and new recovery codes."""
    steps = {"begin": _begin, "confirm": _confirm, "renew": _renew}
    step = steps.get(request.POST.get("step", ""))
    return step(request) if step else _standing_page(request)


def _begin(request: HttpRequest) -> HttpResponse:
    page = code_first(request)
    if page is None:
        begin_enrolment(person=sitting_of(request).person)
        page = redirect(f"{reverse('second_factor')}?{urlencode({'next': way_back(request)})}")
    return page


def _confirm(request: HttpRequest) -> HttpResponse:
    if not has_fresh_factor(request):
        return redirect("second_factor")  # Whoever moves it to another phone has shown the first one, just before.
    form = CodeForm(request.POST)
    if not form.is_valid():
        return _standing_page(request, form)
    try:
        codes = confirm_enrolment(person=sitting_of(request).person, code=form.cleaned_data[CODE_FIELD])
    except SecondFactorRefused as refused:
        if refused.code == Refusal.MISSING and sitting_of(request).factor is not None:
            messages.warning(request, _PRESSED_BEFORE)
        form.add_error(CODE_FIELD, refused.sentence)
        return _standing_page(request, form)
    note_code_given(request)
    return _page(request, "accounts/factor_recovery_codes.html", title="Your recovery codes", codes=codes, is_new=True)


def _renew(request: HttpRequest) -> HttpResponse:
    page = code_first(request)
    if page is None:
        codes = renew_recovery_codes(person=sitting_of(request).person)
        page = _page(request, "accounts/factor_recovery_codes.html", title="Your recovery codes", codes=codes)
    return page


def _standing_page(request: HttpRequest, form: CodeForm | None = None) -> HttpResponse:
    offered = offered_to(sitting_of(request).person)
    # Of a second phone nothing is shown to whoever finds the desk of the first one's owner.
    if offered is not None and has_fresh_factor(request):
        address = address_of(offered)
        told = {"picture": _drawn(address), "address": address, "secret": secret_in_groups(offered)}
        form = form or CodeForm()
        return _page(request, "accounts/factor_set_up.html", title="Set up a second factor", form=form, **told)
    return _own_page(request)


def _own_page(request: HttpRequest) -> HttpResponse:
    sitting = sitting_of(request)
    return _page(
        request,
        "accounts/factor.html",
        title="Second factor",
        factor=sitting.factor,
        left=recovery_codes_left(sitting.factor) if sitting.factor else 0,
        of=RECOVERY_CODES,
        is_required=sitting.standing is Standing.ENROL,
    )


def _asked(request: HttpRequest, template: str, *, title: str, is_due: bool) -> HttpResponse:
    if not is_due:
        return redirect(way_back(request))
    form = CodeForm(request.POST or None)
    if form.is_bound and _is_taken(request, form):
        return redirect(way_back(request))
    return _page(request, template, title=title, form=form, minutes=_MINUTES)


def _is_due_at_the_door(request: HttpRequest) -> bool:
    return sitting_of(request).standing is Standing.CODE


def _is_taken(request: HttpRequest, form: CodeForm) -> bool:
    if not form.is_valid():
        return False
    person = sitting_of(request).person
    try:
        given = verify_code(person=person, code=form.cleaned_data[CODE_FIELD])
    except SecondFactorRefused as refused:
        form.add_error(CODE_FIELD, refused.sentence)
        return False
    note_code_given(request)
    factor = sitting_of(request).factor
    if given is Given.RECOVERY_CODE and factor is not None:
        messages.warning(request, _left_in_words(recovery_codes_left(factor)))
    return True


def _left_in_words(left: int) -> str:
    left_over = f"{left} are left." if left > 1 else "One is left." if left else "None is left."
    return f"A recovery code was used up. {left_over} New ones are below your name, under Second factor."


def _drawn(address: str) -> SafeString:
    """Here, in the page: the secret is told to nobody else."""
    code = segno.make(address, error="m", micro=False)
    drawn = code.svg_inline(border=_MARGIN, omitsize=True, svgclass="factor-picture", lineclass=None, light="#fff")
    return mark_safe(drawn)  # noqa: S308  Squares, and nothing that anybody has typed.


def _page(request: HttpRequest, template: str, **told: Any) -> HttpResponse:
    is_inside = sitting_of(request).standing is Standing.OPEN
    context = {
        **admin.site.each_context(request),
        "frame": _INSIDE if is_inside else _OUTSIDE,
        "is_inside": is_inside,
        "next": way_back(request),
        "code_field": CODE_FIELD,
        **told,
    }
    # A secret is kept by nobody on its way, not even by a browser that goes back.
    return TemplateResponse(request, template, context, headers={"Cache-Control": "no-store"})
