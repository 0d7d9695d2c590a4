"""How tests steer the stand-in, over HTTP on a port of its own: what people do, what goes wrong, what was asked."""

from __future__ import annotations

from aiohttp import web

from telegram_stand_in.server import API, Api
from telegram_stand_in.world import Json


def control_application(api: Api) -> web.Application:
    """The control surface's routes; all bodies and answers are JSON."""
    app = web.Application()
    app[API] = api
    app.router.add_post("/updates", _updates)
    app.router.add_post("/say", _say)
    app.router.add_post("/press", _press)
    app.router.add_post("/pay", _pay)
    app.router.add_post("/paid", _paid)
    app.router.add_post("/faults", _faults)
    app.router.add_post("/forget", _forget)
    app.router.add_get("/state", _state)
    return app


async def _updates(request: web.Request) -> web.Response:
    """A list of updates as they are: numbers may come twice and in any order. Their chats are known from then on."""
    world = request.app[API].world
    for update in await request.json():
        message = update.get("message")
        if isinstance(message, dict) and "chat" in message:
            world.chats[message["chat"]["id"]] = message["chat"]
        world.queue.put_raw(update)
    return web.json_response({})


async def _say(request: web.Request) -> web.Response:
    """{person, chat, text[, reply_to]}: the message."""
    world, given = request.app[API].world, await request.json()
    reply_to = world.messages.get((given["chat"]["id"], given.get("reply_to", 0)))
    return web.json_response(world.say(given["person"], given["chat"], given["text"], reply_to))


async def _press(request: web.Request) -> web.Response:
    """{person, chat_id, message_id, data}: a button is pressed."""
    world, given = request.app[API].world, await request.json()
    message = world.messages[given["chat_id"], given["message_id"]]
    return web.json_response({"query_id": world.press(given["person"], message, given["data"])})


async def _pay(request: web.Request) -> web.Response:
    """{person, chat_id, message_id}: Pay is pressed on an invoice."""
    world, given = request.app[API].world, await request.json()
    message = world.messages[given["chat_id"], given["message_id"]]
    return web.json_response({"query_id": world.pay(given["person"], message)})


async def _paid(request: web.Request) -> web.Response:
    """{person, chat, payload, stars[, charge_id]}: a payment is told to the bot, again if it was before."""
    given = await request.json()
    return web.json_response(request.app[API].world.paid(**given))


async def _faults(request: web.Request) -> web.Response:
    """The fields of a Fault, and `times`; `{"clear": true}` ends all of them."""
    faults, given = request.app[API].faults, await request.json()
    if given.pop("clear", False):
        faults.coming.clear()
    else:
        faults.add(given)
    return web.json_response({})


async def _forget(request: web.Request) -> web.Response:
    """Messages, payments, calls and faults so far are no more; who is connected stays so."""
    api = request.app[API]
    for each in (api.world.messages, api.world.charges, api.world.checkouts, api.world.presses, api.calls):
        each.clear()
    api.faults.coming.clear()
    return web.json_response({})


async def _state(request: web.Request) -> web.Response:
    api = request.app[API]
    state: Json = {
        "offset": api.world.queue.offset,
        "waiting": len(api.world.queue),
        "faults": len(api.faults.coming),
        "messages": list(api.world.messages.values()),
        "charges": {name: vars(charge) for name, charge in api.world.charges.items()},
        "commands": api.world.commands,
        "calls": list(api.calls),
    }
    return web.json_response(state)
