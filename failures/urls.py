"""Where cases are."""

from __future__ import annotations

from django.urls import path

from failures import views

urlpatterns = [
    path("cases", views.Cases.as_view(), name="cases"),
    path("cases/<uuid:case_id>", views.OneCase.as_view(), name="case"),
    path("cases/<uuid:case_id>/assign", views.AssignCase.as_view(), name="assign_case"),
    path("cases/<uuid:case_id>/actions", views.ActOnCase.as_view(), name="act_on_case"),
]
