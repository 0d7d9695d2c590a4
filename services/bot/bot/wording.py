"""What people write, made fit to keep and to show again."""

from __future__ import annotations

import unicodedata

LONGEST_NAME = 64
LONGEST_REASON = 200
LONGEST_LINK = 200

_DIRECTIONS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C])


def cleaned(text: str) -> str:
    """`text` on one line, without control characters and without those that turn the direction of writing.

    The characters that join emoji stay, and so does every script.
    """
    kept = "".join(" " if unicodedata.category(each) == "Cc" else each for each in text.translate(_DIRECTIONS))
    return " ".join(kept.split())


def isolated(text: str) -> str:
    """`text` so that its direction cannot reach the words around it (Unicode's FSI and PDI)."""
    return f"\u2068{text}\u2069"


def shortened(text: str, longest: int) -> str:
    """The first `longest` characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def links_in(text: str, markets: tuple[str, ...]) -> dict[str, str] | None:
    """`mrkt=https://… tonnel=https://…` as a dict; None when anything in it is something else."""
    found: dict[str, str] = {}
    for part in text.split():
        market, _, link = part.partition("=")
        if market not in markets or not link.startswith("https://") or len(link) > LONGEST_LINK:
            return None
        found[market] = link
    return found or None
