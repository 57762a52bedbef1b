"""Where the API explains itself."""

from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

from api import pages_for_people as pages

urlpatterns = [
    path("problems/", pages.problem_index, name="problem_index"),
    path("problems/<slug:code>", pages.problem_page, name="problem"),
    path("api/openapi.json", pages.description, name="openapi"),
    path("api/", RedirectView.as_view(pattern_name="swagger"), name="api_front_door"),
    path("api/docs", RedirectView.as_view(pattern_name="swagger")),
    path("api/redoc", RedirectView.as_view(pattern_name="redoc")),
    path("api/docs/", pages.swagger, name="swagger"),
    path("api/redoc/", pages.redoc, name="redoc"),
]
