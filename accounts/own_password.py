"""One's own password in the console: Django's page, and an entry in the audit where one was set."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters

from accounts.console_gate import NOT_DONE
from accounts.services.editing_people import is_out_of_date, setting_password


@sensitive_post_parameters()
def own_password(request: Any) -> HttpResponse:
    if request.method != "POST":
        return admin.site.password_change(request)
    with setting_password(person_id=request.user.pk, by=request.user) as person:
        if is_out_of_date(request.user, person):
            messages.warning(request, NOT_DONE)
            return redirect(request.path)
        request.user = person
        return admin.site.password_change(request)
