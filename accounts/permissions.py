"""Who may call a route: whoever has one of the scopes that it names for the method. Default: nobody."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.principals import Principal


class MayCall(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        if view.is_public or request.method == "OPTIONS":
            return True  # What `OPTIONS` is answered tells nobody anything.
        principal: Any = request.user  # The stubs know Django's users only.
        if not isinstance(principal, Principal):
            return False
        method = "GET" if request.method == "HEAD" else request.method or ""
        if not hasattr(view, method.lower()):
            return True  # Nothing is there to be allowed: whoever is known hears which methods there are.
        return any(principal.may(scope) for scope in view.scopes.get(method, ()))
