"""The bundled servers, really started: kept data, killed processes, taken ports, other users."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from config.local import binaries, postgres_server, servers, unprivileged
from config.local.processes import Handle, wait_until
from config.local.programs import Program, may_be_skipped
from config.local.servers import Servers, local_servers
from config.local.state import PROJECT, CannotStart, FolderInUse, read_private, write_private

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change the user")
needs_redis = pytest.mark.skipif(may_be_skipped(Program.REDIS), reason=f"{Program.REDIS} is missing")
# Ends with its parent's kill -9, or when the test is through with it.
HOLD = """
import sys, time
from pathlib import Path
from config.local.servers import local_servers
with local_servers(state_dir=Path(sys.argv[1])) as servers:
    print("ready", flush=True)
    time.sleep(60)
"""
# The interpreter itself may lie where an ordinary user cannot go, so everything is imported before the change.
AS_SOMEBODY = """
import encodings.idna, os, pwd, sys
from pathlib import Path
import psycopg
from config.local.servers import local_servers
somebody = pwd.getpwnam("nobody")
os.setgroups([]); os.setgid(somebody.pw_gid); os.setuid(somebody.pw_uid)
os.environ["HOME"] = "/nonexistent"
with local_servers(state_dir=Path(sys.argv[1])) as servers:
    with psycopg.connect(servers.database_url) as connection:
        print(connection.execute("SELECT 1").fetchone()[0])
    print(*{os.stat(f"/proc/{child.pid}").st_uid for child in servers.children})
"""

Start = Callable[..., contextlib.AbstractContextManager[Servers]]


@pytest.fixture(autouse=True)
def _no_servers_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)


@pytest.fixture
def state() -> Iterator[Path]:
    """A folder that every user may pass through, unlike pytest's own, with a blank in its name."""
    with tempfile.TemporaryDirectory(prefix="steward state ") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def only_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", servers.WITHOUT_REDIS)


def _write(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")


def _read(url: str) -> object:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT answer FROM kept").fetchone()


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")


def _version(url: str) -> int:
    with psycopg.connect(url) as connection:
        return connection.info.server_version // 10000


@needs_redis
def test_data_and_addresses_survive_a_restart(state: Path) -> None:
    with local_servers(state_dir=state) as first:
        _write(first.database_url)
        redis.Redis.from_url(str(first.redis_url)).set("kept", "42")
        handles = [Handle.of(child.pid) for child in first.children]
    assert not any(handle.is_alive() for handle in handles)
    with local_servers(state_dir=state) as second:
        assert _read(second.database_url) == (42,)
        assert redis.Redis.from_url(str(second.redis_url)).get("kept") == b"42"
    assert (first.database_url, first.redis_url) == (second.database_url, second.redis_url)


@needs_redis
def test_nobody_else_can_read_or_connect(state: Path) -> None:
    with local_servers(state_dir=state, durable=False) as here:
        for url in (here.database_url, str(here.redis_url)):
            password = str(urlsplit(url).password)
            assert not any(password in _command_line(child.pid) for child in here.children)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(here.database_url.replace(":" + str(urlsplit(here.database_url).password), ":guess"))
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=urlsplit(str(here.redis_url)).port or 0).ping()
        files = [path for path in state.rglob("*") if path.is_file() and path.parent == state]
        assert files
        assert not any(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) for path in files)


@pytest.mark.usefixtures("only_postgres")
def test_the_application_gets_an_ordinary_role(state: Path) -> None:
    with local_servers(state_dir=state, durable=False) as here, psycopg.connect(here.database_url) as connection:
        row = connection.execute("SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user").fetchone()
        assert row == (False, True)
        assert connection.execute("SELECT current_setting('max_connections')").fetchone() == ("200",)


@pytest.mark.usefixtures("only_postgres")
def test_a_killed_server_leaves_nothing_that_stops_the_next(state: Path) -> None:
    with local_servers(state_dir=state) as first:
        _write(first.database_url)
        os.kill(first.children[0].pid, signal.SIGKILL)
    assert (state / "postgres" / "data" / "postmaster.pid").exists()
    with local_servers(state_dir=state) as second:
        assert _read(second.database_url) == (42,)


@pytest.mark.usefixtures("only_postgres")
def test_a_recycled_process_id_in_the_pid_file_is_no_server(state: Path) -> None:
    """After a restart of the machine the number may belong to anybody: here to this very test."""
    with local_servers(state_dir=state) as first:
        _write(first.database_url)
        os.kill(first.children[0].pid, signal.SIGKILL)
    pid_file = state / "postgres" / "data" / "postmaster.pid"
    first_line, _, rest = pid_file.read_text(encoding="utf-8").partition("\n")
    assert first_line != str(os.getpid())
    pid_file.write_text(f"{os.getpid()}\n{rest}", encoding="utf-8")
    with local_servers(state_dir=state) as second:
        assert _read(second.database_url) == (42,)


@needs_redis
def test_servers_end_with_a_program_that_was_killed(state: Path) -> None:
    program = subprocess.Popen([sys.executable, "-c", HOLD, str(state)], cwd=PROJECT, stdout=subprocess.PIPE)
    assert program.stdout
    assert program.stdout.readline() == b"ready\n"
    handles = [_recorded(state / name) for name in ("postgres.json", "redis.json")]
    assert all(handle.is_alive() for handle in handles)
    program.kill()
    with contextlib.closing(program.stdout), program:
        pass
    with local_servers(state_dir=state) as here:
        assert not any(handle.is_alive() for handle in handles)
        _write(here.database_url)


@pytest.mark.usefixtures("only_postgres")
def test_a_server_that_outlived_its_program_is_ended_by_its_handle(state: Path) -> None:
    said: list[str] = []
    with local_servers(state_dir=state) as first:
        _write(first.database_url)
        server = first.started[0]
        assert server.child
        survivor = Handle.of(server.child.pid)
        orphan, server.child = server.child, None
    assert survivor.is_alive()
    with local_servers(state_dir=state, say=said.append) as second:
        assert not survivor.is_alive()
        assert _read(second.database_url) == (42,)
    orphan.stop(patience_seconds=0)
    assert any(f"process {survivor.pid}" in line for line in said)


@needs_redis
def test_two_folders_at_once_and_no_folder_twice(state: Path) -> None:
    with (
        local_servers(state_dir=state / "one", durable=False) as one,
        local_servers(state_dir=state / "two", durable=False) as two,
    ):
        _write(one.database_url)
        _write(two.database_url)
        addresses = {urlsplit(str(url)).port for here in (one, two) for url in (here.database_url, here.redis_url)}
        assert len(addresses) == 4
        with pytest.raises(FolderInUse, match=str(os.getpid())), local_servers(state_dir=state / "one"):
            pass


@pytest.mark.usefixtures("only_postgres")
def test_a_copied_folder_does_not_take_the_originals_data(state: Path) -> None:
    with local_servers(state_dir=state / "one", durable=False) as one:
        _write(one.database_url)
        (state / "two").mkdir()
        shutil.copy(state / "one" / "postgres.json", state / "two")
        with local_servers(state_dir=state / "two", durable=False) as two:
            _write(two.database_url)
            assert _read(one.database_url) == (42,)
            assert urlsplit(one.database_url).port != urlsplit(two.database_url).port


@pytest.mark.usefixtures("only_postgres")
def test_a_remembered_port_that_is_taken_is_chosen_anew(state: Path) -> None:
    with local_servers(state_dir=state) as first:
        _write(first.database_url)
    port = urlsplit(first.database_url).port
    with socket.create_server(("127.0.0.1", port or 0)), local_servers(state_dir=state) as second:
        assert urlsplit(second.database_url).port != port
        assert _read(second.database_url) == (42,)


@pytest.mark.usefixtures("only_postgres")
def test_an_interrupted_first_start_is_done_again(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(postgres_server, "_run_initdb", interrupted)
        with pytest.raises(KeyboardInterrupt), local_servers(state_dir=state):
            pass
    with local_servers(state_dir=state) as here:
        _write(here.database_url)


@pytest.mark.usefixtures("only_postgres")
def test_data_is_served_by_the_version_that_wrote_it(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = binaries.find_postgres()
    oldest = min(found, key=lambda postgres: postgres.major)
    with monkeypatch.context() as patch:
        patch.setattr(postgres_server, "find_postgres", lambda: [oldest])
        with local_servers(state_dir=state) as first:
            _write(first.database_url)
    with local_servers(state_dir=state) as second:
        assert _version(second.database_url) == oldest.major
        assert _read(second.database_url) == (42,)
    others = [postgres for postgres in found if postgres.major != oldest.major]
    monkeypatch.setattr(postgres_server, "find_postgres", lambda: others)
    wanted = f"made by PostgreSQL {oldest.major}" if others else "PostgreSQL is missing"
    with pytest.raises(CannotStart, match=wanted), local_servers(state_dir=state):
        pass


@pytest.mark.usefixtures("only_postgres")
def test_without_binaries_one_line_says_what_is_missing(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "package_folder", lambda _: None)
    monkeypatch.setattr(binaries, "INSTALLED_POSTGRES", state / "nowhere")
    monkeypatch.setenv("PATH", str(state))
    with pytest.raises(CannotStart) as refusal, local_servers(state_dir=state):
        pass
    assert str(refusal.value) == postgres_server.NO_BINARIES
    assert "\n" not in str(refusal.value)


@pytest.mark.usefixtures("only_postgres")
def test_lost_passwords_are_named_and_nothing_is_overwritten(state: Path) -> None:
    with local_servers(state_dir=state) as first:
        _write(first.database_url)
    record = read_private(state / "postgres.json") or {}
    write_private(state / "postgres.json", {**record, "admin_password": "lost"})
    with pytest.raises(CannotStart, match="does not fit"), local_servers(state_dir=state):
        pass
    write_private(state / "postgres.json", record)
    with local_servers(state_dir=state) as second:
        assert _read(second.database_url) == (42,)


def test_without_redis_the_run_goes_on_and_says_so(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(servers, "find_redis", lambda: None)
    with local_servers(state_dir=state, durable=False, say=said.append) as here:
        assert here.redis_url is None
    assert servers.NO_REDIS in said


def test_given_addresses_are_used_and_nothing_starts(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://somewhere/else")
    monkeypatch.setenv("REDIS_URL", "redis://somewhere")
    with local_servers(state_dir=state) as here:
        assert here == Servers("postgres://somewhere/else", "redis://somewhere")
    assert not list(state.iterdir())


@as_root
@pytest.mark.usefixtures("only_postgres")
def test_root_keeps_the_data_of_a_closed_folder_outside(state: Path) -> None:
    said: list[str] = []
    closed = state / "closed"
    closed.mkdir(mode=0o700)
    outside = unprivileged.outside_folder(closed / "var")
    try:
        with local_servers(state_dir=closed / "var", say=said.append) as first:
            _write(first.database_url)
            assert outside.stat().st_uid == Path(f"/proc/{first.children[0].pid}").stat().st_uid != 0
        with local_servers(state_dir=closed / "var") as second:
            assert _read(second.database_url) == (42,)
        assert any(str(outside) in line for line in said)
        assert stat.S_IMODE(outside.stat().st_mode) == 0o700
    finally:
        shutil.rmtree(outside, ignore_errors=True)


@as_root
@pytest.mark.usefixtures("only_postgres")
def test_root_leaves_nothing_outside_after_a_test_run(state: Path) -> None:
    closed = state / "closed"
    closed.mkdir(mode=0o700)
    with local_servers(state_dir=closed, durable=False):
        assert unprivileged.outside_folder(closed).exists()
    assert not unprivileged.outside_folder(closed).exists()


@as_root
@pytest.mark.usefixtures("only_postgres")
def test_root_does_not_use_a_folder_that_somebody_else_put_there(state: Path) -> None:
    closed = state / "closed"
    closed.mkdir(mode=0o700)
    trap = unprivileged.outside_folder(closed)
    trap.mkdir(mode=0o777)
    try:
        with pytest.raises(CannotStart, match="Remove it"), local_servers(state_dir=closed, durable=False):
            pass
    finally:
        shutil.rmtree(trap, ignore_errors=True)


@as_root
def test_root_can_run_programs_from_a_closed_folder(state: Path) -> None:
    """A clone in root's own home: the other user cannot even reach PostgreSQL itself."""
    closed = state / "closed"
    closed.mkdir(mode=0o700)
    installed = binaries.find_postgres()[0]
    package = installed.folder.parent.parent
    shutil.copytree(package, closed / package.name, symlinks=True)
    with contextlib.suppress(FileNotFoundError):
        shutil.copytree(package.with_name(f"{package.name}.libs"), closed / f"{package.name}.libs")
    hidden = binaries.Postgres(
        closed / installed.folder.relative_to(package.parent), installed.version, installed.major
    )
    user = unprivileged.run_as(existing=state / "nothing")
    assert user
    assert not unprivileged.can_run(user, hidden.server)
    copy = unprivileged.reachable_copy(hidden, user=user)
    try:
        assert unprivileged.can_run(user, copy.server)
        assert unprivileged.reachable_copy(hidden, user=user) == copy
    finally:
        shutil.rmtree(copy.folder.parent.parent.parent)


@as_root
def test_an_ordinary_user_needs_nothing_of_root(state: Path) -> None:
    """Through a change of user in another process; everything else in this file runs as whoever runs the tests."""
    theirs = state / "theirs"
    theirs.mkdir()
    shutil.chown(theirs, "nobody")
    answer = subprocess.run(
        [sys.executable, "-c", AS_SOMEBODY, str(theirs)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split() == ["1", str(theirs.stat().st_uid)]


def test_a_handle_never_names_another_process() -> None:
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    handle = Handle.of(program.pid)
    assert handle.is_alive()
    stranger = Handle(program.pid, "another beginning")
    stranger.end(patience_seconds=0)
    assert handle.is_alive()
    handle.end(patience_seconds=5)
    assert not handle.is_alive()
    assert program.wait() == -signal.SIGTERM
    assert wait_until(lambda: not Handle.of(program.pid).is_alive(), seconds=1)


def _recorded(path: Path) -> Handle:
    handle = Handle.read((read_private(path) or {}).get("process"))
    assert handle
    return handle
