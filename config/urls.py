"""The URL table: what the project serves itself, then what the apps serve."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from config.health import healthz, readyz

admin.site.site_header = admin.site.site_title = "Steward"
admin.site.index_title = "Console"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="front_door"),
    path("admin/", admin.site.urls),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("", include("payments.urls")),
]
