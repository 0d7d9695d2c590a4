"""Modules that depend on nothing of this bot: copy them into any other."""
