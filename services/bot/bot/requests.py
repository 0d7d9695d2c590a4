"""user_requests.db: who asked for what and when, and who owns which message."""

from __future__ import annotations

from pathlib import Path

from bot.rules import GIFTS_A_MINUTE, Keep, may_delete, minute_of, once_a_minute
from bot.sqlite_file import SqliteFile

FILE_NAME = "user_requests.db"

SCHEMA = """
CREATE TABLE IF NOT EXISTS user_requests (
    user_id INTEGER,
    chat_id INTEGER,
    gift_name TEXT,
    minute INTEGER NOT NULL,
    PRIMARY KEY (user_id, chat_id, gift_name)
);
CREATE TABLE IF NOT EXISTS command_requests (
    user_id INTEGER,
    chat_id INTEGER,
    command_name TEXT,
    minute INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    PRIMARY KEY (user_id, chat_id, command_name)
);
CREATE TABLE IF NOT EXISTS message_owners (
    message_id INTEGER NOT NULL,
    chat_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    PRIMARY KEY (message_id, chat_id)
);
CREATE TABLE IF NOT EXISTS linked_messages (
    original_message_id INTEGER,
    chat_id INTEGER,
    linked_message_id INTEGER,
    user_id INTEGER,
    timestamp INTEGER,
    PRIMARY KEY (original_message_id, chat_id, linked_message_id)
);
CREATE INDEX IF NOT EXISTS gifts_by_minute ON user_requests (minute);
CREATE INDEX IF NOT EXISTS commands_by_time ON command_requests (timestamp);
CREATE INDEX IF NOT EXISTS owners_by_time ON message_owners (timestamp);
CREATE INDEX IF NOT EXISTS links_by_time ON linked_messages (timestamp);
"""


class Requests:
    """What chat handlers note about requests and messages. A power cut may take the last second of it."""

    def __init__(self, folder: Path) -> None:
        self.file = SqliteFile(folder / FILE_NAME, SCHEMA, synchronous="NORMAL")

    def request_gift(self, user_id: int, chat_id: int, gift_name: str, now: int) -> bool:
        """Whether this person may ask for this gift here now: once a minute, and noted when so.

        Nor more than GIFTS_A_MINUTE different ones.
        """
        minute = minute_of(now)
        with self.file.writing() as db:
            last = db.execute(
                "SELECT minute FROM user_requests WHERE user_id = ? AND chat_id = ? AND gift_name = ?",
                (user_id, chat_id, gift_name),
            ).fetchone()
            if not once_a_minute(last[0] if last else None, minute):
                return False
            asked = db.execute(
                "SELECT count(*) FROM user_requests WHERE user_id = ? AND chat_id = ? AND minute = ?",
                (user_id, chat_id, minute),
            ).fetchone()
            if asked[0] >= GIFTS_A_MINUTE:
                return False
            db.execute(
                "INSERT INTO user_requests (user_id, chat_id, gift_name, minute) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (user_id, chat_id, gift_name) DO UPDATE SET minute = excluded.minute",
                (user_id, chat_id, gift_name, minute),
            )
            return True

    def log_command(self, user_id: int, chat_id: int, command_name: str, now: int) -> None:
        """Notes when a person last gave a command in a chat."""
        with self.file.writing() as db:
            db.execute(
                """
                INSERT INTO command_requests (user_id, chat_id, command_name, minute, timestamp)
                VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (user_id, chat_id, command_name)
                DO UPDATE SET minute = excluded.minute, timestamp = excluded.timestamp
                """,
                (user_id, chat_id, command_name, minute_of(now), now),
            )

    def use_command(self, user_id: int, chat_id: int, command_name: str, now: int) -> bool:
        """Whether this person may give this command here now: once a minute, and noted when so."""
        last = self.file.connection.execute(
            "SELECT minute FROM command_requests WHERE user_id = ? AND chat_id = ? AND command_name = ?",
            (user_id, chat_id, command_name),
        ).fetchone()
        allowed = once_a_minute(last[0] if last else None, minute_of(now))
        if allowed:
            self.log_command(user_id, chat_id, command_name, now)
        return allowed

    def own_message(self, message_id: int, chat_id: int, user_id: int, now: int) -> None:
        """Notes for whom the bot sent a message: only that person may have it deleted."""
        with self.file.writing() as db:
            db.execute(
                "INSERT INTO message_owners (message_id, chat_id, user_id, timestamp) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (message_id, chat_id)"
                " DO UPDATE SET user_id = excluded.user_id, timestamp = excluded.timestamp",
                (message_id, chat_id, user_id, now),
            )

    def link_messages(
        self, original_message_id: int, chat_id: int, linked_message_id: int, user_id: int, now: int
    ) -> None:
        """Notes that a message belongs to another one and goes when that one goes."""
        with self.file.writing() as db:
            db.execute(
                """
                INSERT INTO linked_messages
                    (original_message_id, chat_id, linked_message_id, user_id, timestamp)
                VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (original_message_id, chat_id, linked_message_id)
                DO UPDATE SET user_id = excluded.user_id, timestamp = excluded.timestamp
                """,
                (original_message_id, chat_id, linked_message_id, user_id, now),
            )

    def owner_of(self, message_id: int, chat_id: int) -> int | None:
        """The person a message was sent for, where known."""
        row = self.file.connection.execute(
            "SELECT user_id FROM message_owners WHERE message_id = ? AND chat_id = ?", (message_id, chat_id)
        ).fetchone()
        return row[0] if row else None

    def linked_to(self, message_id: int, chat_id: int) -> list[int]:
        """The messages that belong to this one, oldest first."""
        rows = self.file.connection.execute(
            "SELECT linked_message_id FROM linked_messages"
            " WHERE original_message_id = ? AND chat_id = ? ORDER BY linked_message_id",
            (message_id, chat_id),
        )
        return [row[0] for row in rows]

    def deletable(self, message_id: int, chat_id: int, user_id: int) -> list[int]:
        """What would go with this message, itself first; none when it is not this person's."""
        if not may_delete(self.owner_of(message_id, chat_id), user_id):
            return []
        return [message_id, *self.linked_to(message_id, chat_id)]

    def delete_message(self, message_id: int, chat_id: int, user_id: int) -> list[int]:
        """The messages to delete in the chat, this one first; none when it is not this person's."""
        with self.file.writing() as db:
            messages = self.deletable(message_id, chat_id, user_id)
            db.executemany(
                "DELETE FROM linked_messages WHERE original_message_id = ? AND chat_id = ?",
                [(each, chat_id) for each in messages[:1]],
            )
            db.executemany(
                "DELETE FROM message_owners WHERE message_id = ? AND chat_id = ?",
                [(each, chat_id) for each in messages],
            )
            return messages

    def newest_message(self) -> int:
        """The highest message id that is known, 0 when none is."""
        row = self.file.connection.execute("SELECT max(message_id) FROM message_owners").fetchone()
        return row[0] or 0

    def clean_up(self, now: int, keep: Keep) -> int:
        """How many rows were deleted for being older than what `keep` gives their kind."""
        with self.file.writing() as db:
            return sum(
                db.execute(statement, (limit,)).rowcount
                for statement, limit in (
                    ("DELETE FROM user_requests WHERE minute < ?", minute_of(now - keep.gift_requests)),
                    ("DELETE FROM command_requests WHERE timestamp < ?", now - keep.commands),
                    ("DELETE FROM message_owners WHERE timestamp < ?", now - keep.messages),
                    ("DELETE FROM linked_messages WHERE timestamp < ?", now - keep.messages),
                )
            )
