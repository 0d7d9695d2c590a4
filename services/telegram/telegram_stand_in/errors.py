"""What the Bot API answers instead of a result (https://core.telegram.org/bots/api#making-requests)."""

from __future__ import annotations


class ApiError(Exception):
    """An answer with `ok: false`. `description` is worded as Telegram words it."""

    def __init__(self, code: int, description: str, retry_after: int | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.retry_after = retry_after


def bad_request(what: str) -> ApiError:
    """400: the request can never succeed."""
    return ApiError(400, f"Bad Request: {what}")
