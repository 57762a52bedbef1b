"""Pages of long lists in the console: counted as far as anybody reads, and no further."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property

# An exact number beyond this helps nobody, and counting a million rows takes longer than showing fifty.
MOST_COUNTED = 1_000
# So that no page of a longer list is out of reach: where the rows end is seen by going there.
_FAR = 10**9


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # Not subscriptable at run time.
    """Knows how many rows there are up to a bound, and beyond it says "more than"."""

    template_name = "console/pagination.html"  # Unfold's list asks its paginator.
    most = MOST_COUNTED

    @cached_property
    def counted(self) -> int:
        """One more than the bound at most. Without its order, which a count would sort for."""
        rows: Any = self.object_list  # A query; the stubs know less.
        return int(rows.order_by().values("pk")[: MOST_COUNTED + 1].count())

    @property
    def is_counted(self) -> bool:
        return self.counted <= MOST_COUNTED

    @cached_property
    def count(self) -> int:
        return self.counted if self.is_counted else _FAR
