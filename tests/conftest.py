"""How thoroughly the property-based tests look: HYPOTHESIS_PROFILE is quick, ci (the default) or nightly."""

import os

import pytest
from fix_small_disk import small_disk
from hypothesis import HealthCheck, settings

__all__ = ["small_disk"]

_QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
for name, examples in {"quick": 25, "ci": 125, "nightly": 5000}.items():
    settings.register_profile(name, max_examples=examples, deadline=None, suppress_health_check=_QUIET, database=None)
pytest.register_assert_rewrite("fix_source", "fix_target")

settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
