"""Names and words of others, as they may be shown: on a terminal, in a log, an alert, a page.

A file's name can hold an escape sequence that forges the rows of `status`, a newline that forges a line of the log, or a
character that turns the direction of what follows (https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing).
"""

from __future__ import annotations

import unicodedata

# Control, format (bidi among them), surrogates, private use, unassigned; and the two separators that end a line.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def shown(text: str) -> str:
    """In one line: what would not be seen as itself is written as its number, and a backslash stays one.

    Emoji are joined by U+200D: it does nothing else, and stays between two characters that are seen.
    """
    if text.isprintable() and text.isascii():
        return text
    return "".join(_character(text, at) for at in range(len(text)))


def shown_lines(text: str) -> str:
    """The same for a text of several lines: its line ends and tabs stay."""
    return "\n".join("\t".join(shown(cell) for cell in line.split("\t")) for line in text.split("\n"))


def indented(text: str) -> str:
    """The same, with what follows the first line moved in: a name with a line end in it begins no line of its own."""
    return shown_lines(text).replace("\n", "\n    ")


def _character(text: str, at: int) -> str:
    character = text[at]
    if unicodedata.category(character) not in _HIDDEN or (character == "\u200d" and 0 < at < len(text) - 1):
        return character
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
