"""Fixtures of the integration tests: a fresh Postgres database for each module, and a source of its own for each test."""

import nursery
from fix_source import source
from fix_target import target, target_environ

__all__ = ["source", "target", "target_environ"]

nursery.adopt()
