"""Where callers sign in, and learn who they are; and the console's pages about oneself."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from accounts import own_password, second_factor_pages, views

urlpatterns = [
    path("tokens", views.Tokens.as_view(), name="tokens"),
    path("tokens/current", views.CurrentToken.as_view(), name="current_token"),
    path("caller", views.Caller.as_view(), name="caller"),
]
# Below `/admin/`, and before the console's own addresses.
console = [
    path("code/", admin.site.admin_view(second_factor_pages.code_page), name="second_factor_code"),
    path("confirm/", admin.site.admin_view(second_factor_pages.confirm_page), name="second_factor_confirm"),
    path("second-factor/", admin.site.admin_view(second_factor_pages.factor_page), name="second_factor"),
    # Django's own is at the same address, and `admin:password_change` leads here.
    path("password_change/", admin.site.admin_view(own_password.own_password)),
]
