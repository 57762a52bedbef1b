"""The console's colours can be read: WCAG AA, computed from the files that are served."""

from __future__ import annotations

import re

import pytest

from config.console import COLOURS
from tests.architecture.source import ROOT

AA = 4.5
TONES = ("good", "bad", "wait", "doubt", "quiet")
BASE, PRIMARY = COLOURS["base"], COLOURS["primary"]
WHITE = "#ffffff"


def luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    digits = "".join(each * 2 for each in digits) if len(digits) == 3 else digits
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def variables(theme: str) -> dict[str, str]:
    text = (ROOT / "kernel" / "static" / "kernel" / "console.css").read_text(encoding="utf-8")
    (block,) = re.findall(rf"^{re.escape(theme)} \{{(.*?)^\}}", text, re.M | re.S)
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", block))


def test_the_measure_is_right() -> None:
    assert round(contrast("#000", WHITE), 2) == 21.0
    assert round(contrast("#767676", WHITE), 2) == 4.54


@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        (PRIMARY["600"], WHITE),
        (PRIMARY["600"], BASE["50"]),
        (PRIMARY["600"], BASE["100"]),
        (PRIMARY["500"], BASE["900"]),
        (BASE["600"], WHITE),
        (BASE["500"], WHITE),
        (BASE["500"], BASE["50"]),
        (BASE["300"], BASE["900"]),
        (BASE["400"], BASE["900"]),
    ],
)
def test_unfold_s_words_can_be_read(ink: str, ground: str) -> None:
    assert contrast(ink, ground) >= AA


@pytest.mark.parametrize("theme", [":root", ".dark"])
def test_our_own_can_be_read_in_either_theme(theme: str) -> None:
    colours = variables(theme)

    for tone in TONES:
        assert contrast(colours[f"on-{tone}"], colours[tone]) >= AA, tone
    for ink in ("ink", "soft", "mark"):
        for ground in ("paper", "raised"):
            assert contrast(colours[ink], colours[ground]) >= AA, (ink, ground)
