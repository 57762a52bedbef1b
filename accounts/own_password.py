"""One's own password in the console: Django's page, and an entry in the audit where one was set."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpResponse
from django.views.decorators.debug import sensitive_post_parameters

from accounts.services.editing_people import setting_password


@sensitive_post_parameters()
def own_password(request: Any) -> HttpResponse:
    with setting_password(person_id=request.user.pk, by=request.user):
        request.user.refresh_from_db()  # Of that person nothing changes any more.
        return admin.site.password_change(request)
