"""premium_system.db: who paid, who has premium, who was refunded."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from bot.premium_schema import SCHEMA
from bot.rules import PAYMENT_STAYS_OPEN, RefundAnswer, is_premium, premium_until, refund_answer
from bot.sqlite_file import SqliteFile

FILE_NAME = "premium_system.db"


@dataclass(frozen=True)
class Payment:
    """A payment that Telegram reports as done."""

    owner_id: int
    group_id: int
    payment_id: str
    charge_id: str
    stars: int


@dataclass(frozen=True)
class MarketLinks:
    """Where a group's gifts are traded; any of them may be unknown."""

    mrkt: str | None = None
    palace: str | None = None
    tonnel: str | None = None
    portal: str | None = None


@dataclass(frozen=True)
class Refund:
    """What was decided; `id` and `charge_id` are given when it was granted."""

    answer: RefundAnswer
    id: int | None = None
    charge_id: str | None = None


@dataclass(frozen=True)
class PendingRefund:
    """Stars that are still to be paid back."""

    id: int
    owner_id: int
    group_id: int
    charge_id: str


class Premium:
    """What chat handlers ask about premium. Payments survive a power cut: every commit is synced."""

    def __init__(self, folder: Path) -> None:
        self.file = SqliteFile(folder / FILE_NAME, SCHEMA, synchronous="FULL")

    def ask_payment(self, owner_id: int, payment_id: str, stars: int, now: int) -> None:
        """Notes an invoice that was sent; it can be paid for 15 minutes."""
        with self.file.writing() as db:
            db.execute(
                "INSERT INTO pending_payments (owner_id, payment_id, stars_amount, created_at, expires_at)"
                " VALUES (?, ?, ?, ?, ?)",
                (owner_id, payment_id, stars, now, now + PAYMENT_STAYS_OPEN),
            )

    def may_pay(self, owner_id: int, payment_id: str, stars: int, now: int) -> bool:
        """Whether this invoice is open: the answer to Telegram's pre-checkout question."""
        row = self.file.connection.execute(
            "SELECT 1 FROM pending_payments"
            " WHERE payment_id = ? AND owner_id = ? AND stars_amount = ? AND expires_at > ?",
            (payment_id, owner_id, stars, now),
        ).fetchone()
        return row is not None

    def buy_premium(self, payment: Payment, now: int) -> bool:
        """Books a payment and gives or prolongs premium; False when this payment was booked before.

        Money that arrived is honoured even when its invoice has run out.
        """
        with self.file.writing() as db:
            if _is_booked(db, payment.payment_id):
                return False
            db.execute("DELETE FROM pending_payments WHERE payment_id = ?", (payment.payment_id,))
            _book(db, payment.owner_id, payment.payment_id, payment.stars, "completed", now)
            _prolong(db, payment, now)
            return True

    def set_links(self, owner_id: int, group_id: int, links: MarketLinks) -> bool:
        """Whether the links were set: only a group with a subscription of this owner has any."""
        with self.file.writing() as db:
            done = db.execute(
                "UPDATE premium_subscriptions"
                " SET mrkt_link = ?, palace_link = ?, tonnel_link = ?, portal_link = ?"
                " WHERE owner_id = ? AND group_id = ?",
                (links.mrkt, links.palace, links.tonnel, links.portal, owner_id, group_id),
            )
            return done.rowcount > 0

    def links_of(self, group_id: int, now: int) -> MarketLinks | None:
        """The links of a group that has premium now; None where there is none, or no link."""
        row = self.file.connection.execute(
            "SELECT mrkt_link, palace_link, tonnel_link, portal_link FROM premium_subscriptions"
            " WHERE group_id = ? AND is_active AND (expires_at IS NULL OR expires_at > ?)"
            " AND coalesce(mrkt_link, palace_link, tonnel_link, portal_link) IS NOT NULL ORDER BY id",
            (group_id, now),
        ).fetchone()
        return MarketLinks(*row) if row else None

    def end_of(self, owner_id: int, group_id: int) -> int | None:
        """When this owner's premium for the group ends or ended."""
        row = self.file.connection.execute(
            "SELECT expires_at FROM premium_subscriptions WHERE owner_id = ? AND group_id = ?",
            (owner_id, group_id),
        ).fetchone()
        return row[0] if row else None

    def charge_of(self, payment_id: str) -> str | None:
        """The charge that a payment was booked with, while it is its subscription's latest."""
        row = self.file.connection.execute(
            "SELECT telegram_payment_charge_id FROM premium_subscriptions WHERE payment_id = ?", (payment_id,)
        ).fetchone()
        return row[0] if row else None

    def groups_with_premium(self, now: int) -> int:
        """How many groups have premium now."""
        row = self.file.connection.execute(
            "SELECT count(DISTINCT group_id) FROM premium_subscriptions"
            " WHERE is_active AND (expires_at IS NULL OR expires_at > ?)",
            (now,),
        ).fetchone()
        return int(row[0])

    def has_premium(self, group_id: int, now: int) -> bool:
        """Whether anybody's subscription for this group counts now."""
        rows = self.file.connection.execute(
            "SELECT is_active, expires_at FROM premium_subscriptions WHERE group_id = ?", (group_id,)
        )
        return any(is_premium(bool(active), end, now) for active, end in rows.fetchall())

    def refund(self, owner_id: int, group_id: int, reason: str, now: int) -> Refund:
        """Grants a refund once per group ever, ending the premium, or says why not.

        A granted one stays `pending` until `finish_refund`: Telegram has yet to pay the stars back.
        """
        with self.file.writing() as db:
            bought = db.execute(
                "SELECT id, payment_id, telegram_payment_charge_id, stars_amount, is_active, expires_at"
                " FROM premium_subscriptions WHERE owner_id = ? AND group_id = ?",
                (owner_id, group_id),
            ).fetchone()
            counts = bought is not None and is_premium(bool(bought[4]), bought[5], now)
            answer = refund_answer(counts, _was_refunded(db, group_id))
            if answer is not RefundAnswer.GRANTED:
                return Refund(answer)
            subscription_id, payment_id, charge_id, stars = bought[:4]
            refund_id = db.execute(
                "INSERT INTO refunds (subscription_id, owner_id, group_id, payment_id, stars_amount,"
                " refund_reason, refunded_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (subscription_id, owner_id, group_id, payment_id, stars, reason, now),
            ).lastrowid
            db.execute(
                "INSERT INTO refunded_groups (group_id, owner_id, refunded_at, reason) VALUES (?, ?, ?, ?)",
                (group_id, owner_id, now, reason),
            )
            db.execute(
                "UPDATE premium_subscriptions SET is_active = 0, expires_at = ? WHERE id = ?",
                (now, subscription_id),
            )
            _book(db, owner_id, payment_id, stars, "refunded", now)
            return Refund(answer, refund_id, charge_id)

    def finish_refund(self, refund_id: int, processed_by: str) -> bool:
        """Whether a pending refund was marked as paid back."""
        with self.file.writing() as db:
            done = db.execute(
                "UPDATE refunds SET status = 'completed', processed_by = ? WHERE id = ? AND status = 'pending'",
                (processed_by, refund_id),
            )
            return done.rowcount > 0

    def pending_refunds(self) -> list[PendingRefund]:
        """The refunds that were granted and not yet paid back."""
        rows = self.file.connection.execute(
            "SELECT r.id, r.owner_id, r.group_id, s.telegram_payment_charge_id FROM refunds r"
            " JOIN premium_subscriptions s ON s.id = r.subscription_id AND s.payment_id = r.payment_id"
            " WHERE r.status = 'pending' ORDER BY r.id"
        )
        return [PendingRefund(*row) for row in rows.fetchall()]

    def clean_up(self, now: int) -> int:
        """How many rows were tidied: run-out invoices are deleted, ended premium is switched off."""
        with self.file.writing() as db:
            deleted = db.execute("DELETE FROM pending_payments WHERE expires_at <= ?", (now,)).rowcount
            ended = db.execute(
                "UPDATE premium_subscriptions SET is_active = 0 WHERE is_active AND expires_at <= ?", (now,)
            ).rowcount
            return deleted + ended


def _is_booked(db: sqlite3.Connection, payment_id: str) -> bool:
    found = db.execute("SELECT 1 FROM payment_history WHERE payment_id = ?", (payment_id,))
    return found.fetchone() is not None


def _was_refunded(db: sqlite3.Connection, group_id: int) -> bool:
    return db.execute("SELECT 1 FROM refunded_groups WHERE group_id = ?", (group_id,)).fetchone() is not None


def _book(db: sqlite3.Connection, owner_id: int, payment_id: str, stars: int, status: str, now: int) -> None:
    db.execute(
        "INSERT INTO payment_history (owner_id, payment_id, stars_amount, status, created_at) VALUES (?, ?, ?, ?, ?)",
        (owner_id, payment_id, stars, status, now),
    )


def _prolong(db: sqlite3.Connection, payment: Payment, now: int) -> None:
    before = db.execute(
        "SELECT expires_at FROM premium_subscriptions WHERE owner_id = ? AND group_id = ?",
        (payment.owner_id, payment.group_id),
    ).fetchone()
    db.execute(
        """
        INSERT INTO premium_subscriptions
            (owner_id, group_id, payment_id, telegram_payment_charge_id, stars_amount, created_at, expires_at)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (owner_id, group_id) DO UPDATE SET
            payment_id = excluded.payment_id,
            telegram_payment_charge_id = excluded.telegram_payment_charge_id,
            stars_amount = excluded.stars_amount,
            expires_at = excluded.expires_at,
            is_active = 1
        """,
        (
            payment.owner_id,
            payment.group_id,
            payment.payment_id,
            payment.charge_id,
            payment.stars,
            now,
            premium_until(before[0] if before else None, now),
        ),
    )
