"""Keeps Dockerfile, docker-compose.yml and .env.example honest without an engine."""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml
from celery import Celery
from django.core.management import get_commands

from config.local.roles import KEEP_ALIVE_SECONDS
from config.settings import environment as known_environment
from tests.architecture.source import PRODUCT, ROOT
from tests.chaos.room import PROVIDERS, Part
from tests.config.starting import COMPLETE, start

MOST_CONTAINERS = 6
ONE_SHOT = "migrate"
# Of a profile that has to be asked for. It says nothing that a health check could hear: docker sees that it ended.
SECOND_CLOCK = "clock"
# Of another profile. It changes nothing, so that no chaos run has to measure how it comes back.
WAITING = "waiting"
# Programs of the operating system's, and of images that are not ours.
FOREIGN_PROGRAMS = {"redis-server", "redis-cli", "pg_isready"}
# Read by docker compose itself, never by our program.
COMPOSE_ONLY = {"POSTGRES_PASSWORD", "WAITING_PORT", "WEB_PORT"}
BUILD_TOOLS = re.compile(r"\b(apt-get|apk|gcc|g\+\+|make|build-essential|pip|uv|git|curl|wget)\b")

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}

every_service = pytest.mark.parametrize("name", SERVICES)
our_service = pytest.mark.parametrize("name", OURS)


def dockerfile_stages() -> list[list[tuple[str, str]]]:
    """(instruction, arguments) pairs, one list a stage."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    instructions = [
        (word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines())
    ]
    starts = [place for place, (word, _) in enumerate(instructions) if word == "FROM"]
    return [instructions[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]


STAGES = dockerfile_stages()
FINAL = STAGES[-1]


def of_final_stage(instruction: str) -> str:
    return next(rest for word, rest in reversed(FINAL) if word == instruction)


def image_of_stage(stage: list[tuple[str, str]]) -> str:
    return stage[0][1].split()[0]


def commands() -> dict[str, list[str]]:
    """Every command line that a container runs, health checks too."""
    found = {
        "image": json.loads(of_final_stage("CMD")),
        "image health": json.loads(of_final_stage("HEALTHCHECK").split("CMD", 1)[1]),
    }
    for name, service in SERVICES.items():
        if "command" in service:
            found[name] = service["command"]
        if "test" in service.get("healthcheck", {}):
            found[f"{name} health"] = _without_shell(service["healthcheck"]["test"])
    return found


def _without_shell(test: list[str]) -> list[str]:
    return shlex.split(test[1]) if test[0] == "CMD-SHELL" else test[1:]


def variables_in(text: str) -> set[str]:
    return set(re.findall(r"(?<!\$)\$\{(\w+)", text))


def example_names() -> list[str]:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return re.findall(r"^(\w+)=", text, flags=re.MULTILINE)


# --- Commands ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [pytest.param(command, id=name) for name, command in commands().items()])
def test_the_program_of_each_command_exists(command: list[str]) -> None:
    scripts = Path(sysconfig.get_path("scripts"))

    assert command[0] in FOREIGN_PROGRAMS or (scripts / command[0]).exists()


@pytest.mark.parametrize("command", [command for command in commands().values() if command[0] == "gunicorn"])
def test_gunicorn_serves_a_callable(command: list[str]) -> None:
    module, _, attribute = command[1].partition(":")

    assert callable(getattr(importlib.import_module(module), attribute))
    assert "--preload" in command  # Else a wrong setting restarts workers for ever.


@pytest.mark.parametrize(
    "command", [command for command in commands().values() if command[0] in {"gunicorn", "uvicorn"}]
)
def test_no_server_closes_an_idle_connection_before_its_client_does(command: list[str]) -> None:
    """Else a client sends a payment into it, and is told that the connection was reset."""
    option = {"gunicorn": "--keep-alive", "uvicorn": "--timeout-keep-alive"}[command[0]]

    assert command[command.index(option) + 1] == str(KEEP_ALIVE_SECONDS)


@pytest.mark.parametrize("command", [command for command in commands().values() if command[0] == "celery"])
def test_celery_loads_our_app(command: list[str]) -> None:
    assert command[1] == "-A"
    app = importlib.import_module(command[2]).celery_app

    assert isinstance(app, Celery)
    assert command[3] in {"worker", "beat", "inspect"}


@pytest.mark.parametrize(
    "command", [command for command in commands().values() if command[:2] == ["python", "manage.py"]]
)
def test_django_knows_the_management_command(command: list[str]) -> None:
    assert (ROOT / command[1]).is_file()
    assert command[2] in get_commands()


@pytest.mark.parametrize("command", [command for command in commands().values() if command[:2] == ["python", "-c"]])
def test_inline_python_finds_what_it_imports(command: list[str]) -> None:
    for node in ast.walk(ast.parse(command[2])):
        if isinstance(node, ast.Import):
            assert all(importlib.import_module(alias.name) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


def test_every_tick_of_beat_is_a_task_that_exists() -> None:
    app = importlib.import_module("config").celery_app
    app.loader.import_default_modules()

    assert {entry["task"] for entry in app.conf.beat_schedule.values()} <= set(app.tasks)


# --- Environment ------------------------------------------------------------------------------------------------


@our_service
def test_a_container_is_given_only_what_the_program_knows(name: str) -> None:
    assert set(OURS[name]["environment"]) <= known_environment.known


@our_service
def test_a_container_is_given_every_setting_that_may_be_set(name: str) -> None:
    assert set(OURS[name]["environment"]) == known_environment.known


@our_service
def test_what_the_program_requires_is_asked_for_before_the_start(name: str) -> None:
    """`:?` makes docker compose refuse with a sentence instead of starting a container that stops."""
    given = {variable: str(value) for variable, value in OURS[name]["environment"].items()}

    assert [variable for variable in known_environment.required if ":?" not in given[variable]] == []


@our_service
def test_what_the_program_does_not_require_is_not_demanded(name: str) -> None:
    given = OURS[name]["environment"]
    demanded = {variable for variable, value in given.items() if ":?" in str(value)}

    assert demanded == known_environment.required


def test_the_example_names_exactly_what_compose_reads() -> None:
    names = example_names()

    assert sorted(names) == sorted(set(names))
    assert set(names) == variables_in((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert set(names) <= known_environment.known | COMPOSE_ONLY


def test_the_example_holds_no_secret() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")

    assert [line for line in text.splitlines() if re.match(r"\w*(KEY|KEYS|PASSWORD|URL)=.", line)] == []


def test_the_build_needs_no_real_setting() -> None:
    """What `collectstatic` is given is complete, or the image cannot be built."""
    collecting = next(rest for word, rest in STAGES[0] if word == "RUN" and "collectstatic" in rest)
    given = dict(re.findall(r"(\w+)=(\S+) ", collecting))

    result = start(given)

    assert set(given) == known_environment.required
    assert (result.returncode, result.stderr) == (0, "")


@our_service
def test_a_container_starts_on_what_compose_gives_it(name: str) -> None:
    """The optional variables are empty strings there, and the database URL is put together from parts."""
    filled = {**COMPLETE, "POSTGRES_PASSWORD": "letters4nd"}
    given = {variable: _filled(str(value), filled) for variable, value in OURS[name]["environment"].items()}

    result = start(given)

    assert (result.returncode, result.stderr) == (0, "")


def _filled(value: str, values: dict[str, str]) -> str:
    return re.sub(r"\$\{(\w+)(?:[:?-][^}]*)?\}", lambda match: values.get(match[1], ""), value)


# --- Containers -------------------------------------------------------------------------------------------------


def test_there_are_at_most_six_containers() -> None:
    asked_for = {name for name, service in SERVICES.items() if "profiles" in service}
    assert asked_for == {SECOND_CLOCK, WAITING}
    assert len(SERVICES.keys() - asked_for) <= MOST_CONTAINERS
    assert set(SERVICES) >= {"web", "worker", "beat", "migrate", "postgres", "redis"}


def test_an_installation_can_have_every_process_that_the_chaos_run_measures() -> None:
    """Or its recovery is that of an installation that nobody has."""
    measured = {SECOND_CLOCK if part is Part.SWEEP else part.value for part in Part if part not in PROVIDERS}

    assert measured == SERVICES.keys() - {ONE_SHOT}


def test_the_second_clock_sweeps_without_celery_and_its_broker() -> None:
    assert SERVICES[SECOND_CLOCK]["command"] == ["python", "manage.py", "sweep", "--loop"]
    assert set(SERVICES[SECOND_CLOCK]["depends_on"]) == {ONE_SHOT}


@every_service
def test_every_image_is_pinned(name: str) -> None:
    assert_pinned(SERVICES[name]["image"])


@pytest.mark.parametrize("image", [image_of_stage(stage) for stage in STAGES])
def test_every_base_image_is_pinned(image: str) -> None:
    assert_pinned(image)


def assert_pinned(image: str) -> None:
    """Down to the patch: the image that was tested is the image that runs."""
    _, _, tag = image.partition(":")

    assert re.match(r"\d+\.\d+", tag), f"{image} is not pinned"


@every_service
def test_every_container_is_watched_and_restarted(name: str) -> None:
    service = SERVICES[name]
    if name == ONE_SHOT:
        assert service["restart"] == "no"
        return
    assert service["restart"] == "unless-stopped"
    if name == SECOND_CLOCK:
        assert service["healthcheck"] == {"disable": True}  # Else the image's would ask it for a web server.
        return
    has_own_check = "test" in service.get("healthcheck", {})
    uses_the_image_check = name in OURS and "healthcheck" not in service and "command" not in service

    assert has_own_check or uses_the_image_check


@every_service
def test_data_lies_in_named_volumes(name: str) -> None:
    sources = [volume.partition(":")[0] for volume in SERVICES[name].get("volumes", [])]

    assert set(sources) <= set(COMPOSE["volumes"])
    assert bool(sources) == (name in {"postgres", "redis"})


@our_service
def test_nothing_of_ours_starts_before_the_migrations(name: str) -> None:
    waits_for = {other: how["condition"] for other, how in OURS[name]["depends_on"].items()}
    expected = {"postgres": "service_healthy"} if name == ONE_SHOT else {ONE_SHOT: "service_completed_successfully"}

    assert waits_for.items() >= expected.items()


@every_service
def test_no_port_is_open_to_the_world(name: str) -> None:
    assert [port for port in SERVICES[name].get("ports", []) if not port.startswith("127.0.0.1:")] == []


@our_service
def test_our_containers_can_do_little(name: str) -> None:
    service = OURS[name]

    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]


# --- Image ------------------------------------------------------------------------------------------------------


def test_the_image_does_not_run_as_root() -> None:
    user = of_final_stage("USER").partition(":")[0]

    assert user.isdigit()
    assert int(user) > 0


def test_the_image_checks_its_health_after_the_user_is_set() -> None:
    words = [word for word, _ in FINAL]

    assert "HEALTHCHECK" in words
    assert words.index("USER") < words.index("CMD")


def test_the_health_check_asks_where_gunicorn_listens() -> None:
    listens = next(iter(re.findall(r"0\.0\.0\.0:(\d+)", of_final_stage("CMD"))))

    assert of_final_stage("EXPOSE") == listens
    assert f":{listens}/healthz" in of_final_stage("HEALTHCHECK")
    assert SERVICES["web"]["ports"][0].endswith(f":{listens}")


def test_the_final_stage_builds_nothing() -> None:
    assert len(STAGES) >= 2
    assert [rest for word, rest in FINAL if word == "RUN" and BUILD_TOOLS.search(rest)] == []


def test_the_lock_decides_what_is_installed() -> None:
    (sync,) = [rest for stage in STAGES for word, rest in stage if word == "RUN" and "uv sync" in rest]

    assert {"--locked", "--no-dev"} <= set(sync.split())
    assert "extra" not in sync
    assert "group" not in sync


def test_only_the_program_goes_into_the_image() -> None:
    """A list of what is let in, so that a new secret or data folder stays outside by itself."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    patterns = [line for line in lines if line and not line.startswith("#")]
    let_in = {pattern[1:].removesuffix("/**") for pattern in patterns if pattern.startswith("!")}

    assert patterns[0] == "**"
    assert let_in == (PRODUCT - {"sandbox"}) | {"templates", "manage.py", "pyproject.toml", "uv.lock"}
