"""The restore job's own variables, on top of the shared ones."""

from __future__ import annotations

from datetime import timedelta

from mirror.settings import Duration, Settings


class RestoreSettings(Settings):
    keep_replaced: Duration = timedelta(days=7)
    restore_on_empty: bool = True
