"""The reference bot: chat handlers for Telegram, and the data layer that they call."""
