"""What the console is called and which colours it has. Settings, which import nothing of Django's."""

from __future__ import annotations

from typing import Any, Final

# Greys with a little blue, and one green. 600 on white and 500 on 900 are read at more than 4.5 to 1.
COLOURS: Final = {
    "base": {
        "50": "#f7f8fa",
        "100": "#eef1f4",
        "200": "#d9dee5",
        "300": "#c0c8d2",
        "400": "#a3adba",
        "500": "#5b6675",
        "600": "#465060",
        "700": "#343c47",
        "800": "#252c35",
        "900": "#161b21",
        "950": "#0f1317",
    },
    "primary": {
        "50": "#effaf6",
        "100": "#d8f3ea",
        "200": "#b3e6d6",
        "300": "#82d3bc",
        "400": "#6fd3ba",
        "500": "#58c9ae",
        "600": "#0b6b57",
        "700": "#0a5849",
        "800": "#0a463b",
        "900": "#0a3a31",
        "950": "#042019",
    },
}
# Read by Unfold, which calls what a path names with the request.
FOR_UNFOLD: Final[dict[str, Any]] = {
    "SITE_TITLE": "Steward",
    "SITE_HEADER": "Steward",
    "SITE_SUBHEADER": "Finance desk",
    "SITE_URL": None,
    "SITE_ICON": "config.menu.mark",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "config.menu.mark"}],
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": COLOURS,
    "BORDER_RADIUS": "6px",
    "LOGIN": {"form": "accounts.signing_in.SignInForm"},
    "STYLES": ["config.menu.styles"],
    "ACCOUNT": {"navigation": "config.menu.account_links"},
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": "config.menu.menu"},
}
