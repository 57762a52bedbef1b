"""Where callers sign in, and learn who they are."""

from __future__ import annotations

from django.urls import path

from accounts import views

urlpatterns = [
    path("tokens", views.Tokens.as_view(), name="tokens"),
    path("tokens/current", views.CurrentToken.as_view(), name="current_token"),
    path("caller", views.Caller.as_view(), name="caller"),
]
