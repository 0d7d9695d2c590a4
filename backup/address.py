"""Where alerts go: the addresses in ALERT_URLS and DISCORD_WEBHOOK_URL, and how one is named without showing it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Address:
    """`number` counts from 1; the address itself is a secret: whoever has it can write there."""

    number: int
    variable: str
    url: str = field(repr=False)

    @property
    def name(self) -> str:
        """What logs and people are shown."""
        if self.variable == "DISCORD_WEBHOOK_URL":
            return self.variable
        return f"{self.variable}, entry {self.number} ({self.url.partition('://')[0].lower()[:20]})"


def addresses(discord: str, several: str) -> tuple[Address, ...]:
    """`several`: separated by white space, one a line in a file; lines that begin with # are left out."""
    lines = [line for line in several.splitlines() if not line.lstrip().startswith("#")]
    first = (Address(1, "DISCORD_WEBHOOK_URL", discord.strip()),) if discord.strip() else ()
    entries = enumerate(" ".join(lines).split(), start=1)
    return (*first, *(Address(number, "ALERT_URLS", url) for number, url in entries))
