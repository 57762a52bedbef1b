"""Over HTTP: what second persons are asked, and what they answer."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.making import MakingRoute, Told
from accounts.models import Approval, ApprovalStatus
from accounts.problems import NOT_ALLOWED
from accounts.routes import nothing_here
from accounts.scopes import Scope
from accounts.services.idempotency import Call
from api import pages
from api.describing import documented, page_of
from api.headers import NEXT_PAGE
from api.problems import NOT_FOUND, Problem
from api.queries import flagged, identified, narrowed, values_of, worded
from failures.approvals import Reply, Verdict, decide_approval
from failures.problems import ANSWERING
from failures.selectors import approvals_of, pending_approvals
from failures.serializers import ApprovalOut, ReplyIn, told_approval

TAG = "Approvals"
ORDERINGS = pages.Orderings(*pages.both_ways("created_at", "created_at", is_time=True))
FILTERS = (
    worded("status", ApprovalStatus.values, "Where it stands."),
    flagged("pending", "`true`: only those that can still be answered."),
    identified("case", "Asked in this case.", lookup="asked_from"),
)


class _ApprovalRoute(MakingRoute):
    def mine(self) -> QuerySet[Approval]:
        return approvals_of(restaurant_id=self.principal.restaurant.pk, mode=self.principal.mode)

    def approval(self, approval_id: UUID) -> Approval:
        approval = self.mine().filter(pk=approval_id).first()
        if approval is None:
            raise nothing_here("approval")
        return approval

    def tell(self, approval_id: UUID) -> Told:
        return Told(status=HTTPStatus.OK, body=told_approval(self.approval(approval_id)), is_kept=True)


class Approvals(_ApprovalRoute):
    scopes = {"GET": (Scope.CASES_READ,)}

    @documented(
        "list_approvals",
        "List approvals",
        tag=TAG,
        query=(*FILTERS, *pages.parameters(ORDERINGS)),
        gives={HTTPStatus.OK: page_of(ApprovalOut)},
        sends=[NEXT_PAGE],
    )
    def get(self, request: Request) -> Response:
        """What was asked of a second person, the newest first."""
        said = values_of(request.GET, (*FILTERS, *pages.parameters(ORDERINGS)))
        mine = narrowed(self.mine(), said, FILTERS)
        page = pages.page_of(pending_approvals(mine) if said.get("pending") else mine, said, ORDERINGS)
        items = [told_approval(approval) for approval in page.rows]
        return Response(page.as_json(items), headers=pages.link_header(request._request, page))


class OneApproval(_ApprovalRoute):
    scopes = {"GET": (Scope.CASES_READ,)}

    @documented("read_approval", "Read an approval", tag=TAG, gives={HTTPStatus.OK: ApprovalOut}, refuses=[NOT_FOUND])
    def get(self, request: Request, approval_id: UUID) -> Response:
        """`before` and `after` say what it changes."""
        values_of(request.GET, ())
        return Response(told_approval(self.approval(approval_id)))


class AnswerApproval(_ApprovalRoute):
    scopes = {"POST": (Scope.CASES_WRITE,)}

    @documented(
        "answer_approval",
        "Approve, reject or withdraw",
        tag=TAG,
        takes=ReplyIn,
        gives={HTTPStatus.OK: ApprovalOut},
        refuses=[NOT_FOUND, *ANSWERING],
        makes=True,
    )
    def post(self, request: Request, approval_id: UUID) -> HttpResponse:
        """A finance lead or an admin, and never who asked, approves or rejects (where none works but who asked, a
        colleague of finance); who asked withdraws. What is approved is done in the same moment."""
        asked = ReplyIn(data=request.data)
        asked.is_valid(raise_exception=True)
        approval, person, said = self.approval(approval_id), self.principal.person, asked.validated_data
        if person is None:
            raise Problem(NOT_ALLOWED, "Only a named person decides: sign in.")
        reply = Reply(
            verdict=Verdict(said["verdict"]),
            reason=said.get("reason", ""),
            version=said.get("version"),
            code=said.get("code", ""),
        )

        def make(call: Call) -> UUID:
            return decide_approval(approval_id=approval.pk, reply=reply, person=person, call=call).pk

        return self.once(make=make, tell=self.tell, about=approval.pk)
