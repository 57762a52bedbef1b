"""How the pages look: one frame, one style sheet, for a phone first."""

from __future__ import annotations

from html import escape

from kernel.money import Money, is_currency

_STYLE = """
:root { color-scheme: light dark; --ground: #f4f3ef; --paper: #fff; --ink: #1d2126; --soft: #5c6570; --line: #dcdad3;
  --go: #10683f; --go-ink: #fff; --stop: #a3231b; --warn: #fff2cc; --warn-ink: #5f4300; --focus: #1a5fd0; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171a; --paper: #1e2327; --ink: #eceef0; --soft: #a4adb6;
  --line: #363d44; --go: #4cc38a; --go-ink: #06210f; --stop: #ff8f85; --warn: #463709;
  --warn-ink: #ffe39a; --focus: #8ab4ff; } }
* { box-sizing: border-box; } a { color: inherit; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
.notice { margin: 0; padding: .6rem 1rem; background: var(--warn); color: var(--warn-ink); text-align: center;
  font-size: .9rem; }
main { width: min(100% - 2rem, 26rem); margin: 1.5rem auto 3rem; }
main.wide { width: min(100% - 2rem, 60rem); }
@media (min-width: 40rem) { main { margin-top: 4rem; } main.wide { margin-top: 2rem; } }
.card { background: var(--paper); border: 1px solid var(--line); border-radius: .9rem; padding: 1.5rem; }
.card + .card { margin-top: 1rem; }
h1 { font-size: 1.05rem; font-weight: 600; margin: 0; color: var(--soft); }
.wide h1 { font-size: 1.5rem; color: var(--ink); margin-bottom: 1rem; }
h2 { font-size: 1.05rem; margin: 0 0 .75rem; }
.amount { font-size: clamp(2rem, 10vw, 2.75rem); font-weight: 700; line-height: 1.2; margin: .25rem 0 1rem;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .35rem 1.25rem; margin: 0 0 1.25rem; padding: 1rem 0 0;
  border-top: 1px solid var(--line); }
dt { color: var(--soft); } dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
form { margin: .6rem 0 0; }
button, .button { display: block; width: 100%; min-height: 3rem; padding: .6rem 1rem; border-radius: .6rem;
  border: 1px solid var(--line); background: transparent; color: inherit; font: inherit; font-weight: 600;
  cursor: pointer; text-align: center; text-decoration: none; }
.stacked > * { margin-top: .6rem; }
button:hover, .button:hover { border-color: currentColor; }
button.go { background: var(--go); border-color: var(--go); color: var(--go-ink); }
button.stop { color: var(--stop); }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
small { display: block; font-weight: 400; font-size: .85rem; color: var(--soft); }
.state { display: inline-block; padding: .05rem .6rem; border-radius: 1rem; border: 1px solid currentColor;
  font-size: .85rem; font-weight: 600; white-space: nowrap; }
.succeeded { color: var(--go); } .failed, .cancelled { color: var(--stop); } .pending { color: var(--soft); }
.fields { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; margin: 0; }
.fields label { flex: 1 1 9rem; font-size: .9rem; color: var(--soft); }
.fields button { flex: 1 1 9rem; width: auto; }
select, input { display: block; width: 100%; min-height: 3rem; margin-top: .25rem; padding: .5rem .75rem; font: inherit;
  color: var(--ink); background: var(--ground); border: 1px solid var(--line); border-radius: .6rem; }
ul { list-style: none; margin: 0; padding: 0; }
li { display: grid; grid-template-columns: 1fr auto; gap: .1rem 1rem; padding: .75rem 0;
  border-top: 1px solid var(--line); }
li:first-child { border-top: 0; } li > * { overflow-wrap: anywhere; } li b { font-variant-numeric: tabular-nums; }
li .side { text-align: right; } .quiet { color: var(--soft); font-size: .9rem; }
"""
_NOTICE = "Sandbox: no real money moves here."


def page(title: str, content: str, *, is_wide: bool = False) -> str:
    """`content` is HTML already; `title` is text."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<p class="notice">{_NOTICE}</p>
<main{' class="wide"' if is_wide else ""}>{content}</main>
</body>
</html>
"""


def shown_money(amount: int, currency: str) -> str:
    """The API takes any three letters for a currency, and a page must not fail over them."""
    return Money(amount, currency).display() if is_currency(currency) else f"{amount} {currency}"
