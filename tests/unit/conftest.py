"""The documentation is tested in the checkout; the image, where the other unit tests run, has none."""

from pathlib import Path

import nursery

collect_ignore = [] if (Path(__file__).parents[2] / "README.md").exists() else ["test_docs.py", "test_monitoring.py"]

nursery.adopt()
