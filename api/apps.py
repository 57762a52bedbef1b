"""The ground of the API as an app: its pages, its command and its description's extensions."""

from __future__ import annotations

from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "api"

    def ready(self) -> None:
        # They register themselves; nobody else names them.
        from api import field_shapes  # noqa: F401, PLC0415
