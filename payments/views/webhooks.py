"""Inbound notices over HTTP: read bounded bytes, let the services verify, store and settle, answer."""

from __future__ import annotations

import logging
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from api.parsing import streamed_body
from api.problems import Problem
from events.actors import Actor, ActorKind
from payments.selectors import account_at
from payments.services.notices import apply_notice, receive_notice
from payments.services.refusals import NoticeRefused

logger = logging.getLogger(__name__)

# Providers' notices are a few kilobytes.
MAX_NOTICE_BYTES = 256 * 1024


@csrf_exempt  # The caller is a provider: its signature is checked on the raw bytes instead.
@require_POST
def receive_webhook(request: HttpRequest, provider: str, account_id: UUID) -> HttpResponse:
    account = account_at(provider=provider, account_id=account_id)
    if account is None:
        return JsonResponse({"detail": "There is no such account."}, status=404)
    try:
        body = _body(request)
    except Problem as cut:
        return JsonResponse({"detail": cut.detail}, status=400)
    if len(body) > MAX_NOTICE_BYTES:
        return JsonResponse({"detail": "A notice is never this large."}, status=413)
    try:
        received = receive_notice(account=account, headers=dict(request.headers), body=body)
    except NoticeRefused as refused:
        return JsonResponse({"detail": refused.sentence}, status=400)
    try:
        apply_notice(notice_id=received.notice_id, actor=_provider(request))
    except Exception:
        logger.exception("notice_not_applied")
    return JsonResponse({"stored": True, "repeated": not received.is_new})


def _body(request: HttpRequest) -> bytes:
    """One byte more than is allowed."""
    streamed = streamed_body(request, limit=MAX_NOTICE_BYTES)
    return bytes(request.read(MAX_NOTICE_BYTES + 1)) if streamed is None else streamed


def _provider(request: HttpRequest) -> Actor:
    """With the request's id, so that a step in the history leads to its line in the log."""
    return Actor(kind=ActorKind.PROVIDER, request_id=request.headers.get("X-Request-Id", ""))
