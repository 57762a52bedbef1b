"""Notes and evidence: kept as they came, encrypted, named for what they are, and read by nobody unseen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import Restaurant, Role, User
from events.models import AuditEntry, Event
from failures.models import Case, CaseFile, CaseNote, EvidenceKind
from failures.services.facts import CaseEvent, CaseRefused
from failures.services.papers import LARGEST_FILE_BYTES, LONGEST_NOTE, MOST_FILES, add_file, add_note, open_file
from failures.services.working import resolve_case
from kernel import clock
from payments.models import Payment
from payments.services.facts import PaymentEvent
from tests.factories import RestaurantFactory, accepted, order_of, staff
from tests.failures.test_services import REASON, happened

pytestmark = pytest.mark.django_db
PDF = b"%PDF-1.7\nThe bank says that it was paid."
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
JPEG = b"\xff\xd8\xff\xe0" + bytes(8)
IN_AUDIT = f"PDF {hashlib.sha256(PDF).hexdigest()[:12]}"
CSV = "reference;amount\nP-1;840,00\n".encode("utf-8-sig")


@pytest.fixture
def finance(restaurant: Restaurant) -> User:
    return staff(restaurant, Role.FINANCE)


@pytest.fixture
def case(payment: Payment) -> Case:
    happened(PaymentEvent.CONTRADICTED, payment)
    return Case.objects.get()


def stored(question: str) -> str:
    """As it lies in the database."""
    with connection.cursor() as cursor:
        cursor.execute(question)
        return str(bytes(cursor.fetchone()[0]))


def test_a_note_is_for_the_colleagues_and_stays_as_it_is(case: Case, finance: User) -> None:
    add_note(case_id=case.pk, person=finance, text="  The guest will call back at nine.  ")

    note = case.notes.get()
    assert (note.author, note.text) == (finance, "The guest will call back at nine.")
    assert Event.objects.latest("id").type == CaseEvent.NOTED
    with pytest.raises(DatabaseError), transaction.atomic():
        CaseNote.objects.update(text="Nothing was said.")


def test_what_people_write_is_encrypted_and_no_event_tells_it(case: Case, finance: User) -> None:
    add_note(case_id=case.pk, person=finance, text="Her number is +91 98765 43210.")

    assert "98765" not in stored("SELECT text::bytea FROM failures_casenote")
    assert "98765" not in str([event.data for event in Event.objects.all()])
    assert "98765" not in str([(entry.before, entry.after, entry.reason) for entry in AuditEntry.objects.all()])


class TestANoteWithTheIdOfAnother:
    """As where somebody went back in the browser: the page is the one of the first note."""

    @pytest.fixture
    def first(self, case: Case, finance: User) -> CaseNote:
        return add_note(case_id=case.pk, person=finance, text="First note.", note_id=clock.new_id())

    def test_is_the_same_one_where_it_says_the_same(self, case: Case, finance: User, first: CaseNote) -> None:
        again = add_note(case_id=case.pk, person=finance, text=" First note. ", note_id=first.pk)

        assert again == first == CaseNote.objects.get()
        assert AuditEntry.objects.count() == 1

    def test_is_another_one_where_it_says_something_else(self, case: Case, finance: User, first: CaseNote) -> None:
        for _ in range(2):
            add_note(case_id=case.pk, person=finance, text="It was charged twice.", note_id=first.pk)

        texts = [note.text for note in case.notes.order_by("at")]
        assert texts == ["First note.", "It was charged twice."]
        assert AuditEntry.objects.count() == 2

    def test_is_another_one_where_somebody_else_says_it(
        self, restaurant: Restaurant, case: Case, first: CaseNote
    ) -> None:
        colleague = staff(restaurant, Role.FINANCE)

        add_note(case_id=case.pk, person=colleague, text="First note.", note_id=first.pk)

        assert {note.author for note in case.notes.all()} == {first.author, colleague}

    def test_is_another_one_in_another_case(self, restaurant: Restaurant, finance: User, first: CaseNote) -> None:
        """Also where a stranger's id was forged: it says nothing about what is there."""
        happened(PaymentEvent.CONTRADICTED, accepted(order_of(restaurant)))
        other = Case.objects.latest("id")

        for _ in range(2):
            add_note(case_id=other.pk, person=finance, text="First note.", note_id=first.pk)

        assert other.notes.get().pk != first.pk
        assert CaseNote.objects.count() == 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("  \n ", "empty"),
        ("x" * (LONGEST_NOTE + 1), "bad_text"),
        ("Card 4111 1111 1111 1111", "card_number"),
    ],
)
def test_a_note_says_something_and_no_card_number(case: Case, finance: User, text: str, code: str) -> None:
    with pytest.raises(CaseRefused) as refused:
        add_note(case_id=case.pk, person=finance, text=text)

    assert (refused.value.code, refused.value.field) == (code, "text")
    assert not CaseNote.objects.exists()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PDF, EvidenceKind.PDF),
        (PNG, EvidenceKind.PNG),
        (JPEG, EvidenceKind.JPEG),
        (CSV, EvidenceKind.CSV),
        (b"reference\tamount\n", EvidenceKind.CSV),
        (b"\n\nreference,amount", EvidenceKind.CSV),
    ],
)
def test_a_file_is_what_its_content_is(case: Case, finance: User, content: bytes, kind: EvidenceKind) -> None:
    file = add_file(case_id=case.pk, person=finance, name="letter.exe", content=content)

    file.refresh_from_db()
    assert (file.kind, file.size, bytes(file.content)) == (kind, len(content), content)
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert Event.objects.latest("id").data == {"file": str(file.pk), "sha256": file.sha256}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"MZ\x90\x00", "bad_file"),
        (b"<html><script>alert(1)</script></html>", "bad_file"),
        (b"<svg onload='x()'/>", "bad_file"),
        (b"a,b\x00c", "bad_file"),
        (b"only one column\nand no more", "bad_file"),
        (b"x" * 200_000, "bad_file"),
        ("naïve, café".encode("latin-1"), "bad_file"),
        (b"card,amount\n4111111111111111,840\n", "card_number"),
        (PDF + bytes(LARGEST_FILE_BYTES), "too_large"),
    ],
)
def test_what_is_no_evidence_is_not_kept(case: Case, finance: User, content: bytes, code: str) -> None:
    with pytest.raises(CaseRefused) as refused:
        add_file(case_id=case.pk, person=finance, name="letter.pdf", content=content)

    assert (refused.value.code, refused.value.field) == (code, "file")
    assert not CaseFile.objects.exists()


def test_the_largest_file_is_kept(case: Case, finance: User) -> None:
    content = PDF + bytes(LARGEST_FILE_BYTES - len(PDF))

    file = add_file(case_id=case.pk, person=finance, name="letter.pdf", content=content)

    file.refresh_from_db()
    assert bytes(file.content) == content


def test_a_file_is_encrypted_and_never_changed(case: Case, finance: User) -> None:
    add_file(case_id=case.pk, person=finance, name="letter.pdf", content=PDF)

    assert "The bank says" not in stored("SELECT content FROM failures_casefile")
    with pytest.raises(DatabaseError), transaction.atomic():
        CaseFile.objects.update(name="other.pdf")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("letter.pdf", "letter.pdf"),
        ("../../etc/passwd", "passwd.pdf"),
        ("C:\\Users\\asha\\letter.pdf", "letter.pdf"),
        ('a"b\r\nSet-Cookie: x.pdf', "abSet-Cookie x.pdf"),
        ("", "file.pdf"),
        ("...", "file.pdf"),
        ("रसीद.pdf", "रसीद.pdf"),
        ("LETTER.PDF", "LETTER.PDF"),
        ("bill.hta", "bill.pdf"),
        ("bill.pdf.exe ", "bill.pdf.pdf"),
        ("Letter of 3. November", "Letter of 3. November.pdf"),
        ("x" * 300, "x" * 116 + ".pdf"),
        ("x" * 300 + ".pdf", "x" * 116 + ".pdf"),
    ],
)
def test_a_name_is_only_a_name(case: Case, finance: User, given: str, kept: str) -> None:
    assert add_file(case_id=case.pk, person=finance, name=given, content=PDF).name == kept


@pytest.mark.parametrize(
    ("given", "content", "kept"),
    [
        ("statement.bat", b"start calc.exe & rem a,b\r\n", "statement.csv"),
        ("table.html", PNG, "table.png"),
        ("till.jpeg", JPEG, "till.jpeg"),
        ("till.png", JPEG, "till.jpg"),
    ],
)
def test_a_file_is_called_what_it_is(case: Case, finance: User, given: str, content: bytes, kept: str) -> None:
    assert add_file(case_id=case.pk, person=finance, name=given, content=content).name == kept


def test_the_same_file_twice_is_one_file(case: Case, finance: User) -> None:
    first = add_file(case_id=case.pk, person=finance, name="letter.pdf", content=PDF)
    entries = AuditEntry.objects.count()

    assert add_file(case_id=case.pk, person=finance, name="again.pdf", content=PDF) == first
    assert CaseFile.objects.get().name == "letter.pdf"
    assert AuditEntry.objects.count() == entries


def test_a_case_is_no_archive(case: Case, finance: User) -> None:
    for number in range(MOST_FILES):
        add_file(case_id=case.pk, person=finance, name="letter.pdf", content=PDF + b"%d" % number)

    with pytest.raises(CaseRefused) as refused:
        add_file(case_id=case.pk, person=finance, name="letter.pdf", content=PDF)

    assert refused.value.code == "too_many_files"


def test_what_somebody_called_a_file_is_not_in_the_audit(case: Case, finance: User) -> None:
    """That is kept for ever, and told to whoever takes it away."""
    file = add_file(case_id=case.pk, person=finance, name="Asha Rao 98765.pdf", content=PDF)
    open_file(file_id=file.pk, person=finance)

    assert {entry.reason for entry in AuditEntry.objects.filter(action__endswith="_file")} == {IN_AUDIT}
    assert "Asha" not in str(list(AuditEntry.objects.values("reason", "before", "after")))


def test_whoever_reads_a_file_is_in_the_audit(case: Case, finance: User) -> None:
    file = add_file(case_id=case.pk, person=finance, name="letter.pdf", content=PDF)

    opened = open_file(file_id=file.pk, person=finance)

    assert bytes(opened.content) == PDF
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.actor_id, entry.reason) == ("open_file", str(finance.pk), IN_AUDIT)


def test_an_auditor_reads_a_file_and_adds_none(restaurant: Restaurant, case: Case, finance: User) -> None:
    file = add_file(case_id=case.pk, person=finance, name="letter.pdf", content=PDF)
    auditor = staff(restaurant, Role.AUDITOR)

    User.objects.filter(pk=auditor.pk).update(is_staff=True)
    client = Client()
    client.force_login(auditor, backend="accounts.backends.PersonBackend")

    answer = client.get(reverse("admin:failures_case_file", args=[case.pk, file.pk]))

    assert (answer.status_code, answer.content) == (200, PDF)
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.actor_id, entry.reason) == ("open_file", str(auditor.pk), IN_AUDIT)
    with pytest.raises(CaseRefused):
        add_file(case_id=case.pk, person=auditor, name="mine.pdf", content=PNG)


def test_what_is_learned_later_belongs_to_the_case_too(case: Case, finance: User) -> None:
    resolve_case(case_id=case.pk, person=finance, reason=REASON)

    add_note(case_id=case.pk, person=finance, text="The bank wrote again.")
    add_file(case_id=case.pk, person=finance, name="letter.pdf", content=PDF)

    assert (case.notes.count(), case.files.count()) == (1, 1)


PAPERS: dict[str, Callable[[Case, CaseFile, User], object]] = {
    "note": lambda case, _, person: add_note(case_id=case.pk, person=person, text="Mine."),
    "file": lambda case, _, person: add_file(case_id=case.pk, person=person, name="mine.pdf", content=PNG),
    "open": lambda _, file, person: open_file(file_id=file.pk, person=person),
}


@pytest.mark.parametrize("paper", PAPERS)
def test_papers_are_the_offices_of_this_restaurant(
    restaurant: Restaurant, case: Case, finance: User, paper: str
) -> None:
    file = add_file(case_id=case.pk, person=finance, name="letter.pdf", content=PDF)
    entries = AuditEntry.objects.count()

    elsewhere = RestaurantFactory.create()
    for person in (staff(restaurant, Role.WAITER), staff(elsewhere, Role.ADMIN), staff(elsewhere, Role.AUDITOR)):
        with pytest.raises(CaseRefused) as refused:
            PAPERS[paper](case, file, person)
        assert refused.value.code == "not_finance_here"

    assert (CaseNote.objects.count(), CaseFile.objects.count(), AuditEntry.objects.count()) == (0, 1, entries)
