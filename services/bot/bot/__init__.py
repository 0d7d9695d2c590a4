"""The reference bot: a data layer that chat handlers call, and a traffic generator that drives it."""
