"""Pages that explain: each kind of problem at its `type`, and the description of the API."""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from api.problems import CATALOGUE
from api.recorded import shared_answers

# Made by `manage.py describe_api` and committed: whoever reads the repository reads what is served.
DESCRIPTION = Path(__file__).with_name("openapi.json")


@require_safe
def problem_index(request: HttpRequest) -> HttpResponse:
    kinds = sorted(CATALOGUE.kinds.values(), key=lambda kind: (kind.status, kind.code))
    return render(request, "api/problems.html", {"kinds": kinds})


@require_safe
def problem_page(request: HttpRequest, code: str) -> HttpResponse:
    kind = CATALOGUE.kinds.get(code)
    if kind is None:
        raise Http404
    # Every second piece stood between backticks.
    shown = {"kind": kind, "phrase": HTTPStatus(kind.status).phrase, "remedy": kind.remedy.split("`")}
    answer = shared_answers().get(code)
    shown["answer"] = json.dumps(answer, indent=2, ensure_ascii=False) if answer else ""
    return render(request, "api/problem.html", shown)


@require_safe
def description(_: HttpRequest) -> HttpResponse:
    answer = HttpResponse(DESCRIPTION.read_bytes(), content_type="application/vnd.oai.openapi+json;version=3.1")
    answer.headers["Access-Control-Allow-Origin"] = "*"
    return answer


@require_safe
def swagger(request: HttpRequest) -> HttpResponse:
    return render(request, "api/swagger.html")


@require_safe
def redoc(request: HttpRequest) -> HttpResponse:
    return render(request, "api/redoc.html")
