"""Settings of the whole test run."""

import os

# Before torch is loaded: the tests start processes that share few cores, where spinning threads cost the most.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
