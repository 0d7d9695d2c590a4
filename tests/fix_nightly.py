"""Whether everything runs at full length: in the night, where nobody waits."""

import os

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
