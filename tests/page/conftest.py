"""Fixtures of the page's tests, which run in the image's browser stage beside a real Postgres."""

import nursery
from fix_page import chromium, look, new_source
from fix_source import source
from fix_target import target, target_environ

__all__ = ["chromium", "look", "new_source", "source", "target", "target_environ"]

nursery.adopt()
