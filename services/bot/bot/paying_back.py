"""Paying stars back: at once where Telegram can be reached, otherwise at one of the next looks."""

from __future__ import annotations

import logging

from aiogram import Bot
from aiogram.exceptions import TelegramAPIError, TelegramBadRequest, TelegramUnauthorizedError

from bot.premium import PendingRefund
from bot.tools import Tools

ALREADY = "CHARGE_ALREADY_REFUNDED"
PROCESSED_BY = "telegram"
REFUSED_BY = "refused by telegram"

log = logging.getLogger("bot")


async def pay_back(bot: Bot, refund: PendingRefund, tools: Tools) -> bool:
    """Whether the stars are back. A refund that Telegram refuses for good is closed, and told to a person."""
    try:
        await bot.refund_star_payment(refund.owner_id, refund.charge_id)
    except TelegramUnauthorizedError:
        raise
    except TelegramBadRequest as error:
        if ALREADY not in error.message:
            log.error("refund %d is refused by Telegram (%s): pay it back by hand", refund.id, error.message)
            await tools.desk.do(tools.premium.finish_refund, refund.id, REFUSED_BY)
            return False
    except TelegramAPIError as error:
        log.warning("refund %d could not be paid back yet: %s", refund.id, error.message)
        return False
    await tools.desk.do(tools.premium.finish_refund, refund.id, PROCESSED_BY)
    return True


async def pay_back_pending(bot: Bot, tools: Tools) -> None:
    """Tries again what could not be paid back before."""
    for refund in await tools.desk.do(tools.premium.pending_refunds):
        await pay_back(bot, refund, tools)
