"""Where cases are, and what second persons are asked."""

from __future__ import annotations

from django.urls import path

from failures.views import approvals, cases

urlpatterns = [
    path("cases", cases.Cases.as_view(), name="cases"),
    path("cases/<uuid:case_id>", cases.OneCase.as_view(), name="case"),
    path("cases/<uuid:case_id>/assign", cases.AssignCase.as_view(), name="assign_case"),
    path("cases/<uuid:case_id>/actions", cases.ActOnCase.as_view(), name="act_on_case"),
    path("approvals", approvals.Approvals.as_view(), name="approvals"),
    path("approvals/<uuid:approval_id>", approvals.OneApproval.as_view(), name="approval"),
    path("approvals/<uuid:approval_id>/answer", approvals.AnswerApproval.as_view(), name="answer_approval"),
]
