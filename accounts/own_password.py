"""One's own password in the console: Django's page, and an entry in the audit where one was set."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters

from accounts.services.editing_people import setting_password


@sensitive_post_parameters()
def own_password(request: Any) -> HttpResponse:
    if request.method != "POST":
        return admin.site.password_change(request)
    session = request.user.get_session_auth_hash()
    with setting_password(person_id=request.user.pk, by=request.user) as person:
        if person.get_session_auth_hash() != session:
            return redirect(request.path)  # Signed out everywhere in this moment, and so here.
        request.user = person
        return admin.site.password_change(request)
