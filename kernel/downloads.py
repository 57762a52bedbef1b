"""Lists that leave the house as a file: a few rows at a time, and kept by nobody on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryFile
from threading import Lock
from typing import IO, Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import FileResponse, StreamingHttpResponse

Row = TypeVar("Row", bound=Model)
# A page or two of memory at a time, however long the list is.
ROWS_AT_A_TIME = 500
# A year of a large chain. A longer list is no list that somebody reads, and would hold a worker for minutes.
MOST_ROWS = 200_000
# What is made whole before its first byte leaves takes a quarter of a minute for these, as long as a proxy and a person
# wait, and some megabytes of the disk. The other threads of its process get on slowly meanwhile.
MOST_ROWS_AT_ONCE = 20_000


@contextmanager
def held_if_free(lock: Lock) -> Iterator[bool]:
    """Whether it is held now: nobody waits for it, so that a second press gets its answer at once."""
    is_mine = lock.acquire(blocking=False)
    try:
        yield is_mine
    finally:
        if is_mine:
            lock.release()


def in_their_order(rows: QuerySet[Row], keys: Sequence[Any], *, at_a_time: int) -> Iterator[Row]:
    """Neither a transaction nor a cursor stays open while somebody downloads."""
    for start in range(0, len(keys), at_a_time):
        some = keys[start : start + at_a_time]
        found = {row.pk: row for row in rows.filter(pk__in=some)}
        yield from (found[key] for key in some)


def streamed(lines: Iterable[str], *, name: str, content_type: str) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(lines, content_type=content_type)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def from_disk(write: Callable[[IO[bytes]], object], *, name: str, content_type: str) -> FileResponse:
    """Its file has no name on the disk: it is gone once the answer is sent or broken off, however the process ends."""
    file = TemporaryFile()  # noqa: SIM115  The answer closes it.
    try:
        write(file)
        file.seek(0)
        answer = FileResponse(file, as_attachment=True, filename=name, content_type=content_type)
    except BaseException:
        file.close()
        raise
    answer.headers["Cache-Control"] = "no-store"
    return answer
