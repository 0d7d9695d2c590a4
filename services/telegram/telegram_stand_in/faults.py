"""What goes wrong on request: the next calls of a method are answered as a test wants them to be."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fault:
    """One call's fate. Times are seconds."""

    method: str
    """In lower case; `*` is any."""
    status: int = 500
    description: str = "Internal Server Error"
    retry_after: int | None = None
    drop: bool = False
    """The connection is cut instead of an answer."""
    after: bool = False
    """The call is carried out all the same; only its answer is lost."""
    delay: float = 0.0
    """How long it takes; with no other fault, the call is then carried out as ever."""


@dataclass
class Faults:
    """The faults still to come, in order."""

    coming: deque[Fault] = field(default_factory=deque)

    def add(self, given: dict[str, Any]) -> None:
        """`given`: the fields of a Fault, and `times` (default 1)."""
        times = int(given.pop("times", 1))
        fault = Fault(**given | {"method": str(given.get("method", "*")).lower()})
        self.coming.extend([fault] * times)

    def next(self, method: str) -> Fault | None:
        """The fault that this call meets, which is then over."""
        for fault in self.coming:
            if fault.method in ("*", method):
                self.coming.remove(fault)
                return fault
        return None
