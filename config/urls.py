"""The URL table: what the project serves itself, then what the apps serve."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from django.views import defaults
from django.views.generic import RedirectView

from config.health import healthz, readyz

admin.site.site_header = admin.site.site_title = "Steward"
admin.site.index_title = "Console"

# Programs call these: to them a page is noise.
WEBHOOKS = "/webhooks/"


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(WEBHOOKS):
        return JsonResponse({"detail": "There is nothing at this address."}, status=HTTPStatus.NOT_FOUND)
    return defaults.page_not_found(request, exception)


handler404 = not_found
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="front_door"),
    path("admin/", admin.site.urls),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("", include("payments.urls")),
]
