"""A small Ray cluster on this machine."""

import os

import pytest

PATIENT = {"RAY_raylet_start_wait_time_s": "240", "RAY_agent_register_timeout_ms": "240000"}
"""Settings of Ray for a busy machine, on which its own processes take long to start."""


@pytest.fixture(scope="session")
def cluster():
    """Start Ray with two CPUs and a small object store; it ends with the tests."""
    ray = pytest.importorskip("ray")
    os.environ.update(PATIENT | {"RAY_USAGE_STATS_ENABLED": "0"})
    ray.init(
        num_cpus=2, object_store_memory=80 * 2**20, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
    )
    yield ray
    ray.shutdown()
