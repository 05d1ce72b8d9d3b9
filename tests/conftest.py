"""Settings of the whole test run."""

import os
import sys

# Before torch is loaded: the tests start processes that share few cores, where spinning threads cost the most.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Exact numbers on every CPU; tests of bfloat16 ask for it.
os.environ.setdefault("SAYMASK_PRECISION", "fp32")

import pytest
from hypothesis import HealthCheck, settings

from tests.ray_cluster import cluster  # noqa: F401 - a fixture

# A busy machine is no reason to fail: neither the time of an example nor that of making one is measured.
settings.register_profile("saymask", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("saymask")


@pytest.fixture(autouse=True)
def same_numbers_in_any_order():
    """Draw the same numbers from torch's global generator whatever ran before; tests without torch do not load it."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
