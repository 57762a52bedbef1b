"""Of two who write the same name at once the second one is refused, and told why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction

from kernel.errors import ServiceError


@contextmanager
def refusing_a_second(constraint: str, refused: ServiceError) -> Iterator[None]:
    """Around what writes the row, which the database keeps unique. Anything else that it refuses is a fault of ours."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if constraint not in str(error):
            raise
        raise refused from error
