"""What the bot does with each kind of update: one module for each thing that people come for."""

from __future__ import annotations

from aiogram import Dispatcher

from bot.handlers import basics, gifts, premium, settings
from bot.handlers.who import Who
from bot.tools import Tools


def new_dispatcher(tools: Tools) -> Dispatcher:
    """All handlers, each given `tools`, `person` and `texts` by these names."""
    dispatcher = Dispatcher(tools=tools)
    for kind in (dispatcher.message, dispatcher.callback_query, dispatcher.pre_checkout_query):
        kind.outer_middleware(Who(tools))
    dispatcher.include_routers(gifts.new_router(), premium.new_router(), settings.new_router(), basics.new_router())
    return dispatcher
