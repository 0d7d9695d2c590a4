"""Every error that the bot tells a person about.

BotError                what happened, and what to do
├── ConfigError         the settings are wrong (exit code 2)
├── DatabaseError       a database cannot be used any more (exit code 1)
├── StuckError          nothing has worked for too long (exit code 1)
└── TokenError          Telegram does not know the token (exit code 3)
"""

from __future__ import annotations


class BotError(Exception):
    """`what` happened, and a `hint`: what to do about it."""

    exit_code = 1

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"Error: {self.what}\n  Try: {self.hint}"


class ConfigError(BotError):
    """All problems of the settings together, each with its own hint."""

    exit_code = 2

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        super().__init__(f"the bot's settings have {count}", "correct each and start again")
        self.problems = problems

    def __str__(self) -> str:
        lines = [f"Error: {self.what}"]
        for what, hint in self.problems:
            lines += [f"  - {what}", f"    Try: {hint}"]
        return "\n".join(lines)


class DatabaseError(BotError):
    """A database that is damaged, replaced under the bot, or of a newer bot."""


class StuckError(BotError):
    """No action has succeeded for so long that a fresh start is the better chance."""


class TokenError(BotError):
    """Telegram refuses the bot's token. Never holds the token itself."""

    exit_code = 3

    def __init__(self, api_base: str) -> None:
        super().__init__(
            f"{api_base} refuses the bot's token",
            "correct BOT_TOKEN (or the file of BOT_TOKEN_FILE): @BotFather shows it, and says whether it was revoked",
        )
