"""Pages with raw data: the ids in them stand there by what people call the rows, and lead to these."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from payments.references import names_in


class ByReference:
    """For a page of the console. Its data, and where its row says whose it is, are named by the page."""

    raw: tuple[str, ...] = ()  # Fields with data in them.

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        page: Any = self
        row = super().get_object(request, object_id, from_field)  # type: ignore[misc]  # Of the page that this is mixed into.
        if row is not None:
            data = (getattr(row, name) for name in self.raw)
            row.console_names = names_in(*data, restaurant_id=getattr(row, page.tenant))
        return row
