"""Rows leave in the order that was fixed for them, some at a time, and no cache keeps them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from threading import Lock
from typing import IO

import pytest

from accounts.models import Restaurant
from kernel.downloads import from_disk, held_if_free, in_their_order, streamed
from tests.factories import RestaurantFactory


@pytest.mark.django_db
@pytest.mark.parametrize("at_a_time", [1, 2, 5])
def test_rows_come_in_the_order_of_their_keys_however_many_at_a_time(at_a_time: int) -> None:
    first, second, third = (RestaurantFactory.create() for _ in range(3))
    keys = [third.pk, first.pk, second.pk]

    rows = list(in_their_order(Restaurant.objects.all(), keys, at_a_time=at_a_time))

    assert rows == [third, first, second]


def test_a_file_is_attached_and_kept_by_nobody() -> None:
    answer = streamed(iter(["a\n", "b\n"]), name="list.txt", content_type="text/plain")

    assert answer.getvalue() == b"a\nb\n"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="list.txt"'
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


class TestFromDisk:
    def test_a_file_is_attached_whole_and_kept_by_nobody(self, disk: Path) -> None:
        answer = from_disk(lambda file: file.write(b"all of it"), name="list.bin", content_type="x/y")

        assert answer.headers["Content-Length"] == "9"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="list.bin"'
        assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == ("x/y", "no-store")
        assert answer.getvalue() == b"all of it"
        answer.close()
        assert list(disk.iterdir()) == []

    def test_one_that_nobody_waits_for_is_gone(self, disk: Path) -> None:
        files: list[IO[bytes]] = []
        answer = from_disk(files.append, name="list.bin", content_type="x/y")

        answer.close()

        assert files[0].closed
        assert list(disk.iterdir()) == []

    def test_one_that_breaks_while_it_is_made_is_gone(self, disk: Path) -> None:
        files: list[IO[bytes]] = []

        def write(file: IO[bytes]) -> None:
            files.append(file)
            raise OSError("The disk is full.")

        with pytest.raises(OSError, match="full"):
            from_disk(write, name="list.bin", content_type="x/y")

        assert files[0].closed
        assert list(disk.iterdir()) == []


def test_what_is_held_is_waited_for_by_nobody() -> None:
    lock = Lock()

    with held_if_free(lock) as first, held_if_free(lock) as second:
        assert (first, second) == (True, False)
        with held_if_free(lock) as third:
            assert not third

    assert not lock.locked()


def test_what_breaks_off_is_free_again() -> None:
    lock = Lock()

    with pytest.raises(ZeroDivisionError), held_if_free(lock):
        raise ZeroDivisionError

    assert not lock.locked()
