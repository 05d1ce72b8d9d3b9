"""A small Ray cluster on this machine."""

import os
from pathlib import Path

import pytest

PATIENT = {"RAY_raylet_start_wait_time_s": "240", "RAY_agent_register_timeout_ms": "240000",
           "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}  # fmt: skip
"""Settings of Ray for a busy machine, on which its own processes take long to start."""


@pytest.fixture(scope="session")
def cluster():
    """Start Ray with two CPUs and a small object store; it ends with the tests."""
    ray = pytest.importorskip("ray")
    options = {"object_store_memory": 80 * 2**20, "include_dashboard": False, "log_to_driver": False}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in PATIENT.items():
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)  # workers import tests, too
        ray.init("local", num_cpus=2, logging_level="ERROR", **options)
    yield ray
    ray.shutdown()
