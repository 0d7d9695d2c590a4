"""SQLite's values as SQL literals that every version of SQLite reads back to the bit."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from mirror.expressions import CODECS

# A decimal of up to 15 digits and a small exponent is one operation on two exact doubles; beyond that, versions differ.
_SHORT = re.compile(r"-?[0-9]{1,10}\.[0-9]{1,5}")
_SHIFT = 62
# Control characters end lines, statements or strings somewhere; U+FFFE and U+FFFF do not survive a change of encoding.
_PLAIN = re.compile(r"[^\x00-\x1f\x7f\ufffe\uffff]*")
_LINES = re.compile(r"[^\x00-\x09\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]*")

_PIECE_BYTES = 1024 * 1024
BIG_BYTES = 1024 * 1024  # a literal that should not stand in memory as a whole
LARGEST = 2**62

Value = int | float | bytes | None


def big_literal(kind: str, value: bytes) -> Iterator[str]:
    """The literal of a large text or blob, in pieces."""
    yield "x'" if kind == "blob" else "CAST(x'"
    for start in range(0, len(value), _PIECE_BYTES):
        yield value[start : start + _PIECE_BYTES].hex()
    yield "'" if kind == "blob" else "' AS TEXT)"


def literal(kind: str, value: Value, encoding: str) -> str:
    """The literal of a value of the class `kind` (typeof); text comes as its bytes in the database's encoding."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'" if kind == "blob" else text_literal(value, encoding)
    return real_literal(value) if isinstance(value, float) else str(value)


def text_literal(data: bytes, encoding: str) -> str:
    """A quoted text; with its line ends by replace(), as .dump does; anything else as the bytes that it is."""
    try:
        text = data.decode(CODECS[encoding])
    except UnicodeDecodeError:
        return f"CAST(x'{data.hex()}' AS TEXT)"
    quoted = "'" + text.replace("'", "''") + "'"
    if _PLAIN.fullmatch(text):
        return quoted
    if _LINES.fullmatch(text) and r"\n" not in text and r"\r" not in text:
        for character, escape in (("\n", r"\n"), ("\r", r"\r")):
            if character in text:
                code = ord(character)
                quoted = f"replace({quoted.replace(character, escape)},'{escape}',char({code}))"
        return quoted
    return f"CAST(x'{data.hex()}' AS TEXT)"


def real_literal(value: float) -> str:
    """A short decimal; otherwise an integer times or by powers of two, each step of which is exact."""
    if math.isinf(value):
        return "9e999" if value > 0 else "-9e999"
    if _SHORT.fullmatch(repr(value)):
        return repr(value)
    fraction, exponent = math.frexp(value)
    mantissa, exponent = int(fraction * 2**53), exponent - 53
    while mantissa % 2 == 0:
        mantissa, exponent = mantissa // 2, exponent + 1
    operator, shifts = ("*", exponent) if exponent > 0 else ("/", -exponent)
    steps = [_SHIFT] * (shifts // _SHIFT) + ([shifts % _SHIFT] if shifts % _SHIFT else [])
    return f"{mantissa}*1.0" + "".join(f"{operator}(1<<{step})" for step in steps)
