"""The queue as a file for an accountant: exactly the list that is shown, in the form that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from threading import Lock
from typing import Any

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import IGNORED_PARAMS
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect

from accounts.models import User
from accounts.services.taking_lists import ListForm
from failures.admin import export_csv, export_xlsx
from failures.admin.export_rows import Table
from failures.searching import words_for
from failures.services.exporting import FORMS, export_cases
from failures.services.facts import CaseRefused
from kernel import clock
from kernel.downloads import from_disk, held_if_free, streamed

_MAKING = Lock()


def file_of(page: Any, request: HttpRequest, person: User) -> HttpResponseBase:
    """With the filters, the search and the order that stand in the address, as the list itself reads them."""
    form = request.POST.get("form", ListForm.CSV)
    if form not in FORMS:
        messages.error(request, f"A list is taken away as {' or '.join(each.name for each in FORMS)}.")
        return HttpResponseRedirect(f"../?{request.GET.urlencode()}")
    try:
        shown = page.get_changelist_instance(request)
    except IncorrectLookupParameters:
        return HttpResponseRedirect("../")
    taken_for = words_for(shown.query, currencies=page.currencies_of(request)) if shown.query else []
    filters = {name: said for name, said in shown.filter_params.items() if name not in IGNORED_PARAMS}
    chosen = {"filters": filters, "searched_as": taken_for}
    try:
        with _one_workbook() if form == ListForm.XLSX else nullcontext():
            export = export_cases(cases=shown.queryset, form=ListForm(form), chosen=chosen, person=person)
            return _answer(Table(export), ListForm(form))
    except CaseRefused as refused:
        messages.error(request, refused.sentence)
        return HttpResponseRedirect(f"../{shown.get_query_string()}")


@contextmanager
def _one_workbook() -> Iterator[None]:
    """At a time, in each process: the one that makes it takes payments as well, and people who wait press again."""
    with held_if_free(_MAKING) as is_mine:
        if not is_mine:
            raise CaseRefused("A workbook is being made right now. Press again in a moment, or take the CSV.")
        yield


def _answer(table: Table, form: ListForm) -> HttpResponseBase:
    name = f"cases-{clock.now():%Y-%m-%d-%H%M}.{form}"
    if form == ListForm.XLSX:
        return from_disk(partial(export_xlsx.write_xlsx, table), name=name, content_type=export_xlsx.CONTENT_TYPE)
    return streamed(export_csv.csv_lines(table), name=name, content_type=export_csv.CONTENT_TYPE)
