"""Stands in for Telegram's Bot API: the methods that a small bot uses, and people who write to it."""
