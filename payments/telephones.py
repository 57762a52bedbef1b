"""How one telephone number may have been written: a platform sends it as the guest typed it, and it is kept hashed."""

from __future__ import annotations

from collections.abc import Iterator

# By the numbering plan of the world (ITU-T E.164): these, and of all that begin otherwise each of three digits.
_OF_ONE = {"1", "7"}
_OF_TWO = {
    str(code)
    for code in (
        *(20, 27, *range(30, 35), 36, 39, 40, 41, *range(43, 50), *range(51, 59), *range(60, 67)),
        *(81, 82, 84, 86, *range(90, 96), 98),
    )
}
_OF_THREE = {code for code in map(str, range(200, 1_000)) if code[:1] not in _OF_ONE and code[:2] not in _OF_TWO}
_CALLING_CODES = _OF_ONE | _OF_TWO | _OF_THREE
_LONGEST_CODE = 3
_TRUNK = "0"  # Dialled in front of a number within a country.
_ABROAD = "00"
_SEPARATORS = ("", " ", "-")  # Between a code and its number. What is grouped otherwise is found as it was written.
_LEAST_DIGITS = 7  # With fewer behind it, what looks like a code is the number's own beginning.


def spellings_of(typed: str) -> set[str]:
    """As it was typed, and with and without the code of its country: whoever knows the number may not know that."""
    digits = "".join(filter(str.isdigit, typed))
    is_abroad = typed.strip().startswith("+") or digits.startswith(_ABROAD)
    digits = digits.removeprefix(_ABROAD) if is_abroad else digits
    spellings = {typed, digits, f"+{digits}"}
    code = _code_of(digits)
    if code:
        spellings |= set(_spelled(code, digits.removeprefix(code)))
    if not is_abroad:
        number = digits.removeprefix(_TRUNK)
        spellings |= {each for code in _CALLING_CODES for each in _spelled(code, number)}
    return spellings


def _code_of(digits: str) -> str:
    codes = (digits[:length] for length in range(1, _LONGEST_CODE + 1))
    return next((each for each in codes if each in _CALLING_CODES and len(digits) - len(each) >= _LEAST_DIGITS), "")


def _spelled(code: str, number: str) -> Iterator[str]:
    yield from (number, f"{_TRUNK}{number}", f"{code}{number}")
    yield from (f"+{code}{separator}{number}" for separator in _SEPARATORS)
