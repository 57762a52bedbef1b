"""What a page may load and who may frame it, by where the page lies: strict everywhere, looser where it has to be."""

from __future__ import annotations

from typing import Any, Final

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest, HttpResponseBase

Directives = dict[str, list[str]]

STRICT: Final[Directives] = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF],
    "img-src": [SELF],
    "font-src": [SELF],
    "connect-src": [SELF],
    "form-action": [SELF],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
}
# Unfold's menus are Alpine expressions, which are evaluated, and its colours stand in the page.
_CONSOLE: Final[Directives] = {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}
# Both have pictures inside their styles and scripts.
_SWAGGER: Final[Directives] = {"img-src": [SELF, "data:"]}
# Redoc writes its styles while it runs, and searches in a worker that it makes of its own text.
_REDOC: Final[Directives] = {**_SWAGGER, "style-src": [SELF, UNSAFE_INLINE], "worker-src": ["blob:"]}
LOOSER: Final[tuple[tuple[str, Directives], ...]] = (
    ("/admin/", _CONSOLE),
    ("/api/docs/", _SWAGGER),
    ("/api/redoc/", _REDOC),
)


class ContentPolicyMiddleware(CSPMiddleware):
    """Each answer has a policy, those of refusals and static files too."""

    def get_policy_parts(
        self,
        request: HttpRequest,
        response: HttpResponseBase,
        report_only: bool = False,  # noqa: FBT001, FBT002  The library's own signature.
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if not report_only:
            parts.replace = {**policy_of(request.path_info), **(parts.replace or {})}
        return parts


def policy_of(path: str) -> dict[str, Any]:
    """What differs there from the strict policy."""
    return next((looser for prefix, looser in LOOSER if path.startswith(prefix)), {})
