"""The methods of the Bot API that are stood in for, each with the checks that a bot can run into."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from telegram_stand_in.errors import ApiError, bad_request
from telegram_stand_in.world import ABILITIES, BOT, World

Parameters = dict[str, Any]
LONGEST_TEXT = 4096
LONGEST_POLL = 50


async def call(world: World, method: str, parameters: Parameters) -> Any:
    """The method's result; ApiError where Telegram would refuse."""
    found = _METHODS.get(method.lower())
    if found is None:
        raise ApiError(404, "Not Found: method not found")
    return await found(world, parameters)


async def _get_me(_world: World, _given: Parameters) -> Any:
    return BOT | ABILITIES


async def _get_updates(world: World, given: Parameters) -> Any:
    timeout = min(_integer(given, "timeout", 0), LONGEST_POLL)
    limit = max(1, _integer(given, "limit", 100))
    return await world.queue.take(_integer(given, "offset", 0), limit, timeout, _json(given, "allowed_updates"))


async def _send_message(world: World, given: Parameters) -> Any:
    text = str(given.get("text", ""))
    if not text.strip():
        raise bad_request("message text is empty")
    if len(text.encode("utf-16-le")) // 2 > LONGEST_TEXT:
        raise bad_request("message is too long")
    content: Parameters = {"text": text.strip()}
    if markup := _json(given, "reply_markup"):
        content["reply_markup"] = markup
    return world.post(_integer(given, "chat_id"), content, _reply_to(given))


async def _send_invoice(world: World, given: Parameters) -> Any:
    prices = _json(given, "prices") or []
    if given.get("currency") != "XTR" or len(prices) != 1:
        raise bad_request("CURRENCY_INVALID")
    payload = str(given.get("payload", ""))
    if not 1 <= len(payload.encode()) <= 128:
        raise bad_request("INVOICE_PAYLOAD_INVALID")
    for name, longest in (("title", 32), ("description", 255)):
        if not 1 <= len(str(given.get(name, ""))) <= longest:
            raise bad_request(f"invoice {name} is invalid")
    invoice = {
        "title": given["title"],
        "description": given["description"],
        "start_parameter": given.get("start_parameter", ""),
        "currency": "XTR",
        "total_amount": int(prices[0]["amount"]),
    }
    message = world.post(_integer(given, "chat_id"), {"invoice": invoice, "payload": payload}, _reply_to(given))
    return {name: value for name, value in message.items() if name != "payload"}  # the bot is never shown it


async def _delete_message(world: World, given: Parameters) -> Any:
    world.delete(_integer(given, "chat_id"), _integer(given, "message_id"))
    return True


async def _answer_checkout(world: World, given: Parameters) -> Any:
    ok = str(given.get("ok", "")).lower() == "true"
    if not ok and not given.get("error_message"):
        raise bad_request("error_message must be given when ok is False")
    world.answer_checkout(str(given.get("pre_checkout_query_id", "")), ok)
    return True


async def _answer_callback(world: World, given: Parameters) -> Any:
    query_id = str(given.get("callback_query_id", ""))
    if query_id not in world.presses:
        raise bad_request("query is too old and response timeout expired or query ID is invalid")
    world.presses.discard(query_id)
    return True


async def _refund(world: World, given: Parameters) -> Any:
    world.refund(_integer(given, "user_id"), str(given.get("telegram_payment_charge_id", "")))
    return True


async def _set_commands(world: World, given: Parameters) -> Any:
    world.commands = _json(given, "commands") or []
    return True


async def _get_commands(world: World, _given: Parameters) -> Any:
    return world.commands


async def _get_chat(world: World, given: Parameters) -> Any:
    chat = world.chats.get(_integer(given, "chat_id"))
    if chat is None:
        raise bad_request("chat not found")
    return chat


async def _yes(_world: World, _given: Parameters) -> Any:
    return True


def _integer(given: Parameters, name: str, default: int | None = None) -> int:
    value = given.get(name, default)
    try:
        return int(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise bad_request(f"parameter {name} must be an integer") from None


def _json(given: Parameters, name: str) -> Any:
    """A parameter that is JSON text, or the value itself where the whole request was JSON."""
    value = given.get(name)
    if not isinstance(value, str) or not value:
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise bad_request(f"can't parse {name} JSON object") from None


def _reply_to(given: Parameters) -> int | None:
    reply = _json(given, "reply_parameters") or {}
    found = reply.get("message_id") or given.get("reply_to_message_id")
    return int(found) if found else None


_METHODS: dict[str, Callable[[World, Parameters], Awaitable[Any]]] = {
    "getme": _get_me,
    "getupdates": _get_updates,
    "deletewebhook": _yes,
    "sendmessage": _send_message,
    "sendinvoice": _send_invoice,
    "sendchataction": _yes,
    "deletemessage": _delete_message,
    "answerprecheckoutquery": _answer_checkout,
    "answercallbackquery": _answer_callback,
    "refundstarpayment": _refund,
    "setmycommands": _set_commands,
    "getmycommands": _get_commands,
    "getchat": _get_chat,
}
