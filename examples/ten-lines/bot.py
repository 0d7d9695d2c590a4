"""Ten lines of pyTelegramBotAPI: counts the words of each chat."""

import os
import sqlite3

import telebot

telebot.apihelper.API_URL = os.environ["TELEGRAM_API_BASE"] + "/bot{0}/{1}"
bot = telebot.TeleBot(os.environ["BOT_TOKEN"], threaded=False)
db = sqlite3.connect(os.environ["SQLITE_DIR"] + "/words.db", isolation_level=None)
db.execute("CREATE TABLE IF NOT EXISTS words (chat INTEGER, word TEXT, said INTEGER DEFAULT 1, UNIQUE (chat, word))")
COUNT = "INSERT INTO words (chat, word) VALUES (?, ?) ON CONFLICT DO UPDATE SET said = said + 1"


@bot.message_handler(content_types=["text"])
def count(message: telebot.types.Message) -> None:
    db.executemany(COUNT, [(message.chat.id, word) for word in message.text.split()])


bot.infinity_polling()
