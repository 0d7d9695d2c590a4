"""Premium: the invoice, Telegram's question before it is paid, the payment, the refund, and the market links."""

from __future__ import annotations

import logging
import secrets
import time
from datetime import UTC, datetime

from aiogram import F, Router
from aiogram.filters import Command, CommandObject
from aiogram.types import LabeledPrice, Message, PreCheckoutQuery, ReplyParameters, User

from bot.paying_back import pay_back
from bot.premium import MarketLinks, Payment, PendingRefund
from bot.rules import PREMIUM_STARS, RefundAnswer
from bot.texts import Texts
from bot.tools import Tools
from bot.wording import LONGEST_REASON, cleaned, links_in, shortened

GROUPS = F.chat.type.in_({"group", "supergroup"})
MARKETS = ("mrkt", "palace", "tonnel", "portal")
PAYLOAD = "premium"

log = logging.getLogger("bot")


def new_router() -> Router:
    """The handlers of this module."""
    router = Router(name="premium")
    router.message.register(send_invoice, Command("premium"), GROUPS)
    router.message.register(refund, Command("refund"), GROUPS)
    router.message.register(set_links, Command("links"), GROUPS)
    router.message.register(groups_only, Command("premium", "refund", "links"))
    router.pre_checkout_query.register(may_pay)
    router.message.register(paid, F.successful_payment)
    return router


def payment_id_for(group_id: int) -> str:
    """A new one. It carries the group: an invoice comes back with nothing else."""
    return f"{PAYLOAD}:{group_id}:{secrets.token_hex(8)}"


def group_of(payment_id: str) -> int | None:
    """The group that a payment is for; None when it is none of ours."""
    kind, _, rest = payment_id.partition(":")
    group = rest.partition(":")[0]
    return int(group) if kind == PAYLOAD and group.removeprefix("-").isdecimal() and group.isascii() else None


async def send_invoice(message: Message, person: User, tools: Tools, texts: Texts) -> None:
    """/premium: an invoice that this person can pay for a quarter of an hour."""
    if not await tools.may_use("premium", message, person, texts):
        return
    payment_id, now = payment_id_for(message.chat.id), int(time.time())
    await tools.desk.do(tools.premium.ask_payment, person.id, payment_id, PREMIUM_STARS, now)
    sent = await message.answer_invoice(
        title=texts.premium_title,
        description=texts.premium_description,
        payload=payment_id,
        currency="XTR",
        prices=[LabeledPrice(label=texts.premium_title, amount=PREMIUM_STARS)],
        start_parameter="premium",  # without it, a forwarded copy could be paid again
        reply_parameters=ReplyParameters(message_id=message.message_id, allow_sending_without_reply=True),
    )
    await tools.own(sent, person)
    tools.book.count("invoices")


async def may_pay(query: PreCheckoutQuery, person: User, tools: Tools, texts: Texts) -> None:
    """Telegram asks before the stars move, and waits 10 s for the answer."""
    group = group_of(query.invoice_payload)
    refunds = await tools.desk.do(tools.premium.pending_refunds)
    if any(each.group_id == group for each in refunds):
        await query.answer(ok=False, error_message=texts.refund_under_way)
        return
    open_for_person = await tools.desk.do(
        tools.premium.may_pay, person.id, query.invoice_payload, query.total_amount, int(time.time())
    )
    if open_for_person:
        await query.answer(ok=True)
    else:
        tools.book.count("invoices_refused")
        await query.answer(ok=False, error_message=texts.invoice_closed)


async def paid(message: Message, person: User, tools: Tools, texts: Texts) -> None:
    """The stars have arrived: booked once, however often Telegram says so."""
    told = message.successful_payment
    if told is None:
        return
    group, payment_id, charge_id = group_of(told.invoice_payload), told.invoice_payload, told.telegram_payment_charge_id
    if group is None:
        log.error(
            "%d stars of %d came for %r, which is no invoice of this bot", told.total_amount, person.id, payment_id
        )
        return
    payment = Payment(person.id, group, payment_id, charge_id, told.total_amount)
    if await tools.desk.do(tools.premium.buy_premium, payment, int(time.time())):
        tools.book.count("payments")
        end = await tools.desk.do(tools.premium.end_of, person.id, group)
        date = datetime.fromtimestamp(end or 0, UTC).date().isoformat()
        await tools.answer(message, person, texts.premium_until.format(date=date))
        return
    tools.book.count("payments_told_again")
    booked = await tools.desk.do(tools.premium.charge_of, payment_id)
    if booked not in (None, charge_id) and message.bot is not None:
        log.warning("invoice %s was paid twice: the second payment goes back", payment_id)
        await message.bot.refund_star_payment(person.id, charge_id)


async def refund(message: Message, command: CommandObject, person: User, tools: Tools, texts: Texts) -> None:
    """/refund REASON: once per group ever."""
    if not await tools.may_use("refund", message, person, texts):
        return
    reason = shortened(cleaned(command.args or ""), LONGEST_REASON)
    decided = await tools.desk.do(tools.premium.refund, person.id, message.chat.id, reason, int(time.time()))
    if decided.answer is not RefundAnswer.GRANTED or decided.id is None or decided.charge_id is None:
        tools.book.count("refunds_refused")
        never_again = decided.answer is RefundAnswer.ONCE_PER_GROUP
        await tools.answer(message, person, texts.refund_once if never_again else texts.refund_none)
        return
    tools.book.count("refunds")
    granted = PendingRefund(decided.id, person.id, message.chat.id, decided.charge_id)
    done = message.bot is not None and await pay_back(message.bot, granted, tools)
    await tools.answer(message, person, texts.refunded.format(stars=PREMIUM_STARS) if done else texts.refund_later)


async def set_links(message: Message, command: CommandObject, person: User, tools: Tools, texts: Texts) -> None:
    """/links mrkt=https://…: where the group's gifts are traded."""
    links = links_in(command.args or "", MARKETS)
    if links is None:
        if await tools.may_use("links", message, person, texts):
            await tools.answer(message, person, texts.links_how)
        return
    done = await tools.desk.do(tools.premium.set_links, person.id, message.chat.id, MarketLinks(**links))
    if await tools.may_use("links", message, person, texts):
        await tools.answer(message, person, texts.links_set if done else texts.links_need_premium)
    tools.book.count("links_set" if done else "links_refused")


async def groups_only(message: Message, person: User, tools: Tools, texts: Texts) -> None:
    """What only makes sense in a group, written elsewhere."""
    if await tools.may_use("groups_only", message, person, texts):
        await tools.answer(message, person, texts.groups_only)
