"""Somebody with a real browser, who looks at each page four times and writes down what is wrong with it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, Response, sync_playwright

from accounts.console_session import BY_ITSELF
from config.local.programs import find_chromium
from tests.browser.axe import axe_source

Theme = Literal["light", "dark"]
WIDE, NARROW = 1440, 360
HEIGHTS = {WIDE: 900, NARROW: 780}
# In an order in which each look differs from the last by one thing.
LOOKS: tuple[tuple[int, Theme], ...] = ((WIDE, "light"), (WIDE, "dark"), (NARROW, "dark"), (NARROW, "light"))
# Each width and each theme once: what is judged by all rules, and kept as a picture.
KEPT = (LOOKS[0], LOOKS[2])
# Redoc's own line "made by" wants a picture from its makers. The policy refuses it, and says so.
REFUSED_BY_THE_POLICY = "https://cdn.redoc.ly/redoc/logo-mini.svg"
ICON = "/static/kernel/mark.svg"
_GRAVE = ("serious", "critical")
_ANSWER_MS = 15_000.0
# Nobody's: a browser at rest asks its makers for this and that.
_QUIET = (
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--force-prefers-reduced-motion"),
)
_JUDGE = """async rules => {
  const options = rules.length ? {runOnly: {type: 'rule', values: rules}} : {};
  const found = await axe.run(document, {...options, resultTypes: ['violations']});
  return found.violations.map(one => ({
    id: one.id, impact: one.impact, nodes: one.nodes.map(node => `${node.html} ${node.any.map(a => a.message)}`)
  }));
}"""
_DRESS = """theme => {
  if (window.Alpine && document.documentElement.hasAttribute('x-data'))
    Alpine.$data(document.documentElement).switchTheme(theme);
}"""
_TOO_WIDE = """() => {
  const root = document.documentElement;
  if (root.scrollWidth <= root.clientWidth) return [];
  return [...document.body.querySelectorAll('*')]
    .filter(one => one.getBoundingClientRect().right > root.clientWidth + 1)
    .map(one => one.outerHTML.slice(0, 90)).slice(0, 5);
}"""


@dataclass
class Visitor:
    """`complaints` is empty where nothing is wrong."""

    page: Page
    origin: str
    album: Path
    complaints: list[str] = field(default_factory=list)
    looks: int = 0
    _axe: str = field(default_factory=axe_source)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(_ANSWER_MS)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complain(f"script: {error}"))
        self.page.on("request", self._see_request)
        self.page.on("requestfailed", self._see_failure)
        self.page.on("response", self._see_answer)

    def complain(self, what: str) -> None:
        self.complaints.append(f"{urlsplit(self.page.url).path}: {what}")

    def go(self, path: str) -> None:
        self.page.goto(f"{self.origin}{path}", wait_until="load")

    def press(self, what: Locator) -> None:
        """A button or a link that leads to another page."""
        with self.page.expect_navigation(wait_until="load"):
            what.click()

    def look(self, name: str) -> None:
        """At both widths and in both themes, at the page as it is now."""
        self._settle()
        for width, theme in LOOKS:
            self._dress(width, theme)
            self._judge(f"{width} px, {theme}", rules=[] if (width, theme) in KEPT else ["color-contrast"])
            if width == NARROW:
                for element in self.page.evaluate(_TOO_WIDE):
                    self.complain(f"wider than {width} px: {element}")
            if (width, theme) in KEPT:
                self.page.screenshot(path=self.album / f"{name}-{width}-{theme}.png", full_page=True)
        self._dress(*LOOKS[0])

    def visit(self, path: str, name: str = "") -> None:
        self.go(path)
        self.look(name or _name_of(path))

    def _settle(self) -> None:
        self.page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
        self.page.evaluate("document.fonts.ready.then(() => true)")

    def _dress(self, width: int, theme: Theme) -> None:
        self.page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
        self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        self.page.evaluate(_DRESS, theme)

    def _judge(self, where: str, *, rules: list[str]) -> None:
        self.looks += 1
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(self._axe)
        for found in self.page.evaluate(_JUDGE, rules):
            if found["impact"] in _GRAVE:
                self.complain(f"axe {found['id']} ({found['impact']}, {where}): {' | '.join(found['nodes'][:4])[:900]}")

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and REFUSED_BY_THE_POLICY not in message.text:
            self.complain(f"console: {message.text}")

    def _see_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:", "blob:")) and request.url != REFUSED_BY_THE_POLICY:
            self.complain(f"asks another host: {request.url}")

    def _see_failure(self, request: Request) -> None:
        """The icon is asked for last, and news again and again: whoever presses leaves before they have come."""
        is_no_loss = request.url == f"{self.origin}{ICON}" or BY_ITSELF.lower() in request.headers
        is_left = request.failure == "net::ERR_ABORTED" and is_no_loss
        if request.url != REFUSED_BY_THE_POLICY and not is_left:
            self.complain(f"failed: {request.url} {request.failure}")

    def _see_answer(self, response: Response) -> None:
        if not response.url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.complain(f"was answered by another host: {response.url}")
        if response.status >= 400:
            self.complain(f"{response.status}: {response.url}")


@contextlib.contextmanager
def browsing(origin: str, album: Path) -> Iterator[Visitor]:
    """A browser of its own, with nothing remembered. While it is open, this process uses no database."""
    album.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = _launch(playwright)
        try:
            context = browser.new_context(viewport={"width": WIDE, "height": HEIGHTS[WIDE]})
            visitor = Visitor(context.new_page(), origin, album)
            try:
                yield visitor
            finally:
                # Beside the pictures, also where the walk itself came to an early end.
                (album / "complaints.txt").write_text("\n".join(visitor.complaints), encoding="utf-8")
        finally:
            browser.close()


def _launch(playwright: Any) -> Browser:
    chromium = find_chromium()
    assert chromium is not None, "chromium is missing."
    # Without its sandbox, which root cannot have: it opens pages of ours only.
    browser: Browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", *_QUIET])
    return browser


def _name_of(path: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-") or "front"
