"""A JSON store of five layers that depends on nothing of this bot: copy the folder into any other. See README.md."""
