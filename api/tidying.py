"""The last hand at the description, as hooks of its generator: who may call, what is shared, and in which order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from api import headers as of_http
from api import problems
from api.describing import DESCRIBED, ProblemOut
from api.headers import Sent
from api.problems import Kind
from api.recorded import answer_of, recorded_of, shared_answers
from api.refusing import CONTENT_TYPE
from api.vocabulary import with_names
from api.words import SECURITY_IN_WORDS, TAGS

# What an address names, by the name that it has in every address.
_IN_PATHS = {
    "order_id": "The order's `id`.",
    "payment_id": "The payment's `id`.",
    "refund_id": "The refund's `id`.",
    "case_id": "The case's `id`.",
    "approval_id": "The approval's `id`.",
}
# What belongs to no operation: an address that is not there, and a method that nobody described.
_OUTSIDE: dict[str, tuple[Kind, tuple[Sent, ...]]] = {
    "NoSuchRoute": (problems.NO_SUCH_ROUTE, (of_http.NAME,)),
    "MethodNotAllowed": (problems.METHOD_NOT_ALLOWED, (*of_http.EVERYWHERE, of_http.METHODS)),
}


# As many scopes open an address that every caller may ask.
MANY_SCOPES = 5


class Schema(AutoSchema):
    """The generator's view of one method; it says as well which scopes open it."""

    def get_description(self) -> str:
        text: str = super().get_description()
        scopes = self._scopes()
        if not scopes:
            return text
        named = " or ".join(f"`{scope}`" for scope in scopes)
        return f"{text}\n\nNeeds the scope {named}."

    def _scopes(self) -> list[str]:
        scopes = getattr(self.view, "scopes", {}).get(self.method, ())
        return [scope.value for scope in scopes] if len(scopes) < MANY_SCOPES else []


class CallerScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.authentication.CallerAuthentication"
    name = "caller"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": SECURITY_IN_WORDS}


def tidied(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    named: dict[str, Any] = {}
    tidy: dict[str, Any] = with_names(_without_marks(result), named)
    parts = tidy["components"]
    parts["schemas"] = dict(sorted({**parts["schemas"], **named}.items()))
    for name, schema in parts["schemas"].items():
        if name.endswith("In"):
            schema["additionalProperties"] = False  # What a request does not know it refuses.
    parts["parameters"], parts["headers"] = {}, {}
    parts["examples"] = {code: {"value": answer} for code, answer in shared_answers().items()}
    for operation in _operations(tidy):
        described = DESCRIBED[operation["operationId"]]
        _name_parameters(operation, parts["parameters"])
        _show_refusals(operation, described.kinds)
        _show_headers(operation["responses"], described.sends, parts["headers"])
        _link(operation)
    parts["responses"] = _outside(parts["headers"])
    tidy["paths"] = _in_a_readers_order(tidy["paths"])
    return tidy


def _operations(description: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in description["paths"].values():
        yield from methods.values()


def _name_parameters(operation: dict[str, Any], shared: dict[str, Any]) -> None:
    """Headers are the same wherever they are; an address' parts say what they are."""
    # What has to be said comes first.
    parameters = sorted(operation["parameters"], key=lambda each: not each.get("required"))
    operation["parameters"] = parameters
    for place, parameter in enumerate(parameters):
        name = parameter["name"]
        if parameter["in"] == "path":
            parameter["description"] = _IN_PATHS[name]
        if parameter["in"] == "header":
            shared[name] = parameter
            parameters[place] = {"$ref": f"#/components/parameters/{name}"}


def _show_refusals(operation: dict[str, Any], kinds: tuple[Kind, ...]) -> None:
    """The operation's own answer where it has one, else the one that all of this kind have in common."""
    recorded = recorded_of(operation["operationId"])
    by_status: dict[str, dict[str, Any]] = defaultdict(dict)
    for kind in kinds:
        own = answer_of(kind, recorded)
        shown = {"$ref": f"#/components/examples/{kind.code}"} if own is None else {"summary": kind.title, "value": own}
        by_status[str(int(kind.status))][kind.code] = shown
    for status, examples in by_status.items():
        operation["responses"][status]["content"][CONTENT_TYPE]["examples"] = examples


def _show_headers(responses: dict[str, Any], sends: tuple[Sent, ...], shared: dict[str, Any]) -> None:
    for status, answer in responses.items():
        answer["headers"] = {}
        for sent in (each for each in sends if each.is_on(int(status))):
            shared[sent.component] = sent.as_component()
            answer["headers"][sent.name] = {"$ref": f"#/components/headers/{sent.component}"}


def _outside(shared: dict[str, Any]) -> dict[str, Any]:
    """For whoever reads: no operation points here."""
    responses = {}
    for name, (kind, sends) in _OUTSIDE.items():
        shape = {"$ref": f"#/components/schemas/{ProblemOut.__name__}"}
        examples = {kind.code: {"$ref": f"#/components/examples/{kind.code}"}}
        responses[name] = {
            "description": kind.title,
            "content": {CONTENT_TYPE: {"schema": shape, "examples": examples}},
        }
        _show_headers({str(int(kind.status)): responses[name]}, sends, shared)
    return responses


def _in_a_readers_order(paths: dict[str, Any]) -> dict[str, Any]:
    """Tag by tag; within one of them as the routes stand in the source."""
    order = [tag["name"] for tag in TAGS]

    def place(path: str) -> int:
        return min(order.index(operation["tags"][0]) for operation in paths[path].values())

    return {path: paths[path] for path in sorted(paths, key=place)}


# Where an answer's id leads: a client, or a test, follows them.
_LINKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "place_order": (
        "order_id",
        ("read_order", "amend_order", "confirm_order", "fulfil_order", "cancel_order", "list_payment_methods"),
    ),
    "create_payment": (
        "payment_id",
        (
            *("read_payment", "list_attempts", "start_payment", "retry_payment", "cancel_payment", "extend_hold"),
            *("refresh_payment", "make_client_token", "confirm_cash", "create_refund"),
        ),
    ),
    "create_refund": ("refund_id", ("read_refund", "refresh_refund")),
}


def _link(operation: dict[str, Any]) -> None:
    parameter, targets = _LINKS.get(operation["operationId"], ("", ()))
    for status, answer in operation["responses"].items():
        if targets and status.startswith("2"):
            answer["links"] = {
                target: {"operationId": target, "parameters": {parameter: "$response.body#/id"}} for target in targets
            }


def _without_marks(value: Any) -> Any:
    """Marks of the generator for itself."""
    if isinstance(value, dict):
        return {name: _without_marks(each) for name, each in value.items() if name != "x-spec-enum-id"}
    return [_without_marks(each) for each in value] if isinstance(value, list) else value
