"""What the other process does. It imports as little as it can: it is started for every save of a large document."""

from __future__ import annotations

import marshal
import sys

from .encoding import encode, parse
from .pieces import split

DONE, REFUSED = b"+", b"-"


def main() -> None:
    """The work that the last argument names, from standard input to standard output."""
    given = sys.stdin.buffer.read()
    try:
        parts = [encode(marshal.loads(given))] if sys.argv[-1] == "encode" else [*split(parse(given))]
        status = DONE
    except ValueError as error:
        parts, status = [str(error).encode(errors="replace")], REFUSED
    out = sys.stdout.buffer
    out.write(status + sum(map(len, parts)).to_bytes(8, "big"))
    out.writelines(parts)
    out.flush()
