"""Giving a case to a colleague: a page of its own, so that no case's page has to ask who works there."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.template.response import TemplateResponse

from accounts.models import OFFICE
from failures.admin.case_page import CasePage
from failures.showing.colleagues import colleagues_of


def giving(page: CasePage) -> HttpResponse:
    """What is chosen is sent to the case, as all that is done to it: it is asked there who may."""
    may = page.role in OFFICE and page.case.is_waiting
    colleagues = colleagues_of(page.case, person=page.person) if may else []
    form: Any = page.form("give")  # The stubs do not know which widget a field has.
    # Nobody is chosen by not choosing.
    form.fields["to"].widget.choices = [("", "Choose somebody"), *((str(each.key), each.words) for each in colleagues)]
    context = {**page.frame, "title": "Give a case to a colleague", "case": page.case, "form": form}
    return TemplateResponse(page.request, "failures/give.html", {**context, "colleagues": colleagues, "may": may})
