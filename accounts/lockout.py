"""What somebody is told whose name is locked after too many wrong passwords: a page, or a problem for a program."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.problems import LOCKED_OUT
from api.problems import Problem
from api.refusing import API, problem_response


def locked_out_problem() -> Problem:
    seconds = int(settings.AXES_COOLOFF_TIME.total_seconds())
    return Problem(LOCKED_OUT, "Too many wrong passwords. Wait a while.", headers={"Retry-After": str(seconds)})


def locked_out(request: HttpRequest, answer: HttpResponse | None, _: Any = None) -> HttpResponse:
    """Instead of whatever the view has answered. A problem that says so already stays as it is."""
    if request.path.startswith(API):
        told = answer is not None and answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
        return answer if told and answer is not None else problem_response(locked_out_problem(), request)
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds()) // 60
    return render(request, "accounts/locked_out.html", {"minutes": minutes}, status=HTTPStatus.TOO_MANY_REQUESTS)
