"""The URL table: what the project serves itself, then what the apps serve."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from django.views import defaults
from django.views.generic import RedirectView

from accounts.urls import console
from api.refusing import outside_views
from config.console_errors import console_page
from config.health import healthz, readyz
from failures.admin.today import today
from payments.urls import webhooks

# Programs call these: to them a page is noise.
WEBHOOKS = "/webhooks/"


def _told(request: HttpRequest, status: HTTPStatus) -> HttpResponse | None:
    """A problem for a program, a page for whoever works in the console; None: it is anybody's."""
    return outside_views(request, status) or console_page(request, status)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(WEBHOOKS):
        return JsonResponse({"detail": "There is nothing at this address."}, status=HTTPStatus.NOT_FOUND)
    return _told(request, HTTPStatus.NOT_FOUND) or defaults.page_not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _told(request, HTTPStatus.BAD_REQUEST) or defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _told(request, HTTPStatus.FORBIDDEN) or defaults.permission_denied(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    return _told(request, HTTPStatus.INTERNAL_SERVER_ERROR) or defaults.server_error(request)


handler400, handler403, handler404, handler500 = bad_request, forbidden, not_found, server_error
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="front_door"),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", include(console)),
    # Before the console's own index, which is a list of tables: `admin:index` leads here.
    path("admin/", admin.site.admin_view(today)),
    path("admin/", admin.site.urls),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("", include("api.urls")),
    path("api/v1/", include("accounts.urls")),
    path("api/v1/", include("orders.urls")),
    path("api/v1/", include("payments.urls")),
    path("api/v1/", include("failures.urls")),
    *webhooks,
]
