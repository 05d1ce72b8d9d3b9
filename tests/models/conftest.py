import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SAYMASK_CACHE", str(tmp_path / "cache"))
