"""Settings of the whole test run."""

import os

# Before torch is loaded: the tests start processes that share few cores, where spinning threads cost the most.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from hypothesis import HealthCheck, settings

# A busy machine is no reason to fail: neither the time of an example nor that of making one is measured.
settings.register_profile("saymask", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("saymask")
