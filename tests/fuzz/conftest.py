"""Settings of the fuzz tests."""

from unittest.mock import patch

import pytest

from saymask.hub import registry


@pytest.fixture(autouse=True)
def registry_as_before():
    """Forget the toy model after each test: seeds make it known."""
    with patch.dict(registry.SYSTEMS), patch.dict(registry.PRESETS):
        yield
