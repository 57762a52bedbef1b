"""Notes and files that people lay to a case. Evidence is named for what it is, never for what it is called."""

from __future__ import annotations

import csv
import hashlib
import re
from uuid import UUID

from django.db import transaction

from accounts.models import LOOKING, User
from accounts.services.people import works_as
from events.actors import Actor
from events.services import Journal
from failures.models import Case, CaseFile, CaseNote, EvidenceKind
from failures.services.deeds import CaseDeed, deed_on
from failures.services.facts import CaseEvent, CaseRefused
from failures.services.working import staffed_case
from kernel import clock
from kernel.card_numbers import contains_card_number
from kernel.texts import check_text

LONGEST_NOTE = 4_000  # A page. What is longer is a file.
LARGEST_FILE_BYTES = 10 * 1024 * 1024
MOST_FILES = 20  # Of one case: evidence, not an archive.
_LONGEST_NAME = 120  # The column's size.

_BEGINNINGS = {b"%PDF-": EvidenceKind.PDF, b"\x89PNG\r\n\x1a\n": EvidenceKind.PNG, b"\xff\xd8\xff": EvidenceKind.JPEG}
# The first one is set where another stands.
_ENDINGS = {
    EvidenceKind.PDF: (".pdf",),
    EvidenceKind.PNG: (".png",),
    EvidenceKind.JPEG: (".jpg", ".jpeg"),
    EvidenceKind.CSV: (".csv",),
}
_ENDING = re.compile(r"\.\w{1,10}$")  # Of a file: what is longer is a sentence with a full stop in it.
_LEAST_COLUMNS = 2  # A text without columns is a note.


def add_note(*, case_id: UUID, person: User, text: str, note_id: UUID | None = None) -> CaseNote:
    """Also to a case that has ended: what was learned later belongs to it. The same id again is the same note, if it
    says the same.
    """
    text = text.strip()
    check_text(text, field="text", longest=LONGEST_NOTE, refusal=CaseRefused)
    if not text:
        raise CaseRefused("There is nothing in this note.", field="text", code="empty")
    with transaction.atomic():
        case = staffed_case(case_id, person)
        used = CaseNote.objects.filter(pk=note_id).first() if note_id else None
        known = _written_since(used, case, person, text) if used else None
        if known is not None:
            return known
        with deed_on(case, CaseDeed.NOTE, person=person):
            fresh = clock.new_id() if used or not note_id else note_id
            note = CaseNote(id=fresh, case=case, author=person, text=text)
            note.save(force_insert=True)
            _tell(case, CaseEvent.NOTED, person, note=str(note.pk))
    return note


def _written_since(used: CaseNote, case: Case, person: User, text: str) -> CaseNote | None:
    """The note with this id, or one that was written with it since. A text is encrypted: it is compared here."""
    mine = case.notes.filter(author=person, at__gte=used.at).order_by("at")
    return next((note for note in mine if note.text == text), None)


def add_file(*, case_id: UUID, person: User, name: str, content: bytes) -> CaseFile:
    """The same content a second time is the file that is there: a double click adds none."""
    kind = _kind_of(content)
    name = _plain_name(name, kind)
    sha256 = hashlib.sha256(content).hexdigest()
    with transaction.atomic():
        case = staffed_case(case_id, person)
        known = case.files.filter(sha256=sha256).first()
        if known is not None:
            return known
        if case.files.count() >= MOST_FILES:
            raise CaseRefused(f"A case takes {MOST_FILES} files.", field="file", code="too_many_files")
        with deed_on(case, CaseDeed.ADD_FILE, person=person, reason=_called(kind, sha256)):
            file = CaseFile(
                case=case, author=person, name=name, kind=kind, size=len(content), sha256=sha256, content=content
            )
            file.save(force_insert=True)
            _tell(case, CaseEvent.FILE_ADDED, person, file=str(file.pk), sha256=sha256)
    return file


def open_file(*, file_id: UUID, person: User) -> CaseFile:
    """Who read a guest's papers is in the audit."""
    with transaction.atomic():
        file = CaseFile.objects.select_related("case").get(pk=file_id)
        case = Case.objects.select_for_update().get(pk=file.case_id)
        if not works_as(person, LOOKING, restaurant_id=case.restaurant_id):
            raise CaseRefused("Only its finance staff and its auditors read these papers.", code="not_finance_here")
        with deed_on(case, CaseDeed.OPEN_FILE, person=person, reason=_called(file.kind, file.sha256)):
            return file


def _called(kind: str, sha256: str) -> str:
    """In the audit, which is kept for ever: guests and colleagues give their files names of people."""
    return f"{EvidenceKind(kind).label} {sha256[:12]}"


def _tell(case: Case, event: CaseEvent, person: User, **data: str) -> None:
    journal = Journal(Actor.user(person))
    journal.happened(event, case, **data)
    case.save(update_fields=["version"])
    journal.write()


def _kind_of(content: bytes) -> EvidenceKind:
    if not content:
        raise CaseRefused("This file is empty.", field="file", code="empty")
    if len(content) > LARGEST_FILE_BYTES:
        megabytes = LARGEST_FILE_BYTES // 1024**2
        raise CaseRefused(f"A file has at most {megabytes} MB.", field="file", code="too_large")
    for beginning, kind in _BEGINNINGS.items():
        if content.startswith(beginning):
            return kind
    if _is_table(content):
        return EvidenceKind.CSV
    raise CaseRefused("Evidence is a PDF, a PNG, a JPEG or a CSV file; this is none.", field="file", code="bad_file")


def _is_table(content: bytes) -> bool:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False
    if contains_card_number(text):
        raise CaseRefused("There is a card number in this file. Take it out first.", field="file", code="card_number")
    return "\x00" not in text and any(_columns(text, separator) >= _LEAST_COLUMNS for separator in ",;\t")


def _columns(text: str, separator: str) -> int:
    """Of the first line, which says what they are. One that never ends says nothing."""
    try:
        return len(next(csv.reader(text.strip().splitlines()[:1], delimiter=separator), []))
    except csv.Error:
        return 0


def _plain_name(name: str, kind: EvidenceKind) -> str:
    """Without folders and whatever else a browser or a trickster puts into a name."""
    last = name.replace("\\", "/").rpartition("/")[2]
    plain = "".join(sign for sign in last if sign.isprintable() and sign not in '"<>:|?*').strip(" .")
    check_text(plain, field="file", longest=10 * _LONGEST_NAME, refusal=CaseRefused)
    return name_of_kind(plain, kind)


def name_of_kind(name: str, kind: EvidenceKind) -> str:
    """With the ending of what it is: it opens in the program for that, whatever its uploader would rather have run."""
    said = _ENDING.search(name)
    stem, ending = (name[: said.start()], said[0]) if said else (name, "")
    if ending.lower() not in _ENDINGS[kind]:
        ending = _ENDINGS[kind][0]
    return f"{stem[: _LONGEST_NAME - len(ending)] or 'file'}{ending}"
