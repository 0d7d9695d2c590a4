"""Everything that the bot says, in one place. `{…}` is filled in by whoever says it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Texts:
    """One language."""

    start: str
    help: str
    too_soon: str
    gift: str
    gift_name_missing: str
    gift_name_long: str
    links: str
    delete: str
    deleted: str
    not_yours: str
    nothing_to_delete: str
    groups_only: str
    premium_title: str
    premium_description: str
    premium_until: str
    invoice_closed: str
    refund_under_way: str
    refunded: str
    refund_later: str
    refund_none: str
    refund_once: str
    links_how: str
    links_need_premium: str
    links_set: str
    language_how: str
    language_set: str
    favourite_set: str
    favourite_none: str
    settings: str
    stats: str


ENGLISH = Texts(
    start="Hello {name}! I hand out gifts. /help shows how.",
    help="/gift NAME: a gift, once a minute each\n/premium: premium for this group, 30 days for {stars} stars\n"
    "/refund: your stars back, once per group\n/links mrkt=https://…: market links below each gift (premium)\n"
    "/delete as an answer: takes back what I wrote for you\n/favourite NAME, /language en|de, /settings\n/stats",
    too_soon="One moment: that works once a minute.",
    gift="🎁 {gift} for {name}",
    gift_name_missing="Which one? /gift NAME, or set one with /favourite NAME.",
    gift_name_long="That name is too long: {longest} characters at most.",
    links="Markets: {links}",
    delete="Delete",
    deleted="Deleted.",
    not_yours="Only the person it was written for can delete it.",
    nothing_to_delete="Answer to one of my messages with /delete.",
    groups_only="Write that in the group it is for.",
    premium_title="Premium for this group",
    premium_description="Market links below each gift, for 30 days.",
    premium_until="Thank you! This group has premium until {date}.",
    invoice_closed="This invoice is not open for you. Ask for a new one with /premium.",
    refund_under_way="A refund for this group is under way. Please try again in a minute.",
    refunded="You have your {stars} stars back. The group's premium has ended.",
    refund_later="Your refund is granted; Telegram will pay it out as soon as it can be reached.",
    refund_none="You have no premium for this group that could be refunded.",
    refund_once="This group was refunded before; that happens once.",
    links_how="Like this: /links mrkt=https://… palace=https://… tonnel=https://… portal=https://…",
    links_need_premium="Only who bought premium for this group can set its links.",
    links_set="The links are set.",
    language_how="Like this: /language en or /language de",
    language_set="I speak English with you now.",
    favourite_set="/gift alone now means {gift}.",
    favourite_none="none",
    settings="Language: English\nFavourite gift: {gift}",
    stats="Gifts: {gifts}\nMessages deleted: {deleted}\nPayments: {payments}\nGroups with premium: {groups}",
)

GERMAN = Texts(
    start="Hallo {name}! Ich verteile Geschenke. /help zeigt, wie.",
    help="/gift NAME: ein Geschenk, jedes einmal pro Minute\n"
    "/premium: Premium für diese Gruppe, 30 Tage für {stars} Sterne\n/refund: Sterne zurück, einmal pro Gruppe\n"
    "/links mrkt=https://…: Marktlinks unter jedem Geschenk (Premium)\n"
    "/delete als Antwort: nimmt zurück, was ich für dich schrieb\n/favourite NAME, /language en|de, /settings\n/stats",
    too_soon="Einen Moment: das geht einmal pro Minute.",
    gift="🎁 {gift} für {name}",
    gift_name_missing="Welches? /gift NAME, oder eines festlegen mit /favourite NAME.",
    gift_name_long="Der Name ist zu lang: höchstens {longest} Zeichen.",
    links="Märkte: {links}",
    delete="Löschen",
    deleted="Gelöscht.",
    not_yours="Nur wer es bekam, kann es löschen.",
    nothing_to_delete="Antworte mit /delete auf eine meiner Nachrichten.",
    groups_only="Schreib das in der Gruppe, um die es geht.",
    premium_title="Premium für diese Gruppe",
    premium_description="Marktlinks unter jedem Geschenk, 30 Tage lang.",
    premium_until="Danke! Diese Gruppe hat Premium bis {date}.",
    invoice_closed="Diese Rechnung ist für dich nicht offen. Eine neue gibt es mit /premium.",
    refund_under_way="Für diese Gruppe läuft eine Rückzahlung. Bitte in einer Minute noch einmal.",
    refunded="Du hast deine {stars} Sterne zurück. Das Premium der Gruppe ist beendet.",
    refund_later="Die Rückzahlung ist bewilligt; sie kommt, sobald Telegram erreichbar ist.",
    refund_none="Du hast für diese Gruppe kein Premium, das zurückgezahlt werden könnte.",
    refund_once="Diese Gruppe bekam schon eine Rückzahlung; das geht einmal.",
    links_how="So: /links mrkt=https://… palace=https://… tonnel=https://… portal=https://…",
    links_need_premium="Nur wer Premium für diese Gruppe kaufte, kann ihre Links festlegen.",
    links_set="Die Links sind gesetzt.",
    language_how="So: /language en oder /language de",
    language_set="Ich spreche jetzt Deutsch mit dir.",
    favourite_set="/gift allein heißt jetzt {gift}.",
    favourite_none="keines",
    settings="Sprache: Deutsch\nLieblingsgeschenk: {gift}",
    stats="Geschenke: {gifts}\nGelöschte Nachrichten: {deleted}\nZahlungen: {payments}\nGruppen mit Premium: {groups}",
)

LANGUAGES = {"en": ENGLISH, "de": GERMAN}

# What Telegram shows in its menu.
COMMANDS = {
    "start": "Hello",
    "gift": "A gift",
    "premium": "Premium for this group",
    "refund": "Your stars back",
    "stats": "What I did so far",
    "settings": "What I know of you",
    "help": "How it works",
}


def texts_for(preferred: object, client: str | None) -> Texts:
    """The language that a person chose, or else that of their Telegram, or else English."""
    if isinstance(preferred, str) and preferred in LANGUAGES:
        return LANGUAGES[preferred]
    return LANGUAGES.get((client or "")[:2], ENGLISH)
