"""How thorough the tests are: HYPOTHESIS_PROFILE is quick, ci (the default) or nightly.

What is marked nightly takes long and has a shorter sister that always runs. Outside of the nightly profile it is left out,
and what is repeated is repeated less often.
"""

import os

import pytest
from fix_nightly import NIGHTLY
from fix_small_disk import small_disk
from hypothesis import HealthCheck, settings

__all__ = ["small_disk"]

_QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
for name, examples in {"quick": 25, "ci": 50, "nightly": 5000}.items():
    settings.register_profile(name, max_examples=examples, deadline=None, suppress_health_check=_QUIET, database=None)
pytest.register_assert_rewrite("fix_source", "fix_target")

settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not NIGHTLY:
        left_out = [item for item in items if item.get_closest_marker("nightly")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
