"""Models and scans that many tests ask."""

import pytest

pytest.importorskip("uvicorn", reason="needs the extra serve")

from saymask.cli.demo import make_example
from saymask.hub.checkpoints import load_model
from saymask.hub.registry import preset
from saymask.io.ply import write_ply
from saymask.server import service
from tests.io.rooms import furnished_room
from tests.models.fakes import tiny
from tests.server.serving import read_here, running, write_cloud


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """A folder with a mesh of a kitchen and the cloud of a furnished room."""
    folder = tmp_path_factory.mktemp("scans")
    make_example(folder)
    points, colors = furnished_room(density=260)[:2]
    columns = {name: points[:, i].astype("<f4") for i, name in enumerate("xyz")}
    columns |= {name: colors[:, i].astype("u1") for i, name in enumerate(("red", "green", "blue"))}
    (folder / "rooms").mkdir()
    write_ply(folder / "rooms" / "room.ply", columns)
    return folder


@pytest.fixture(scope="session")
def model():
    """The embedded model, which answers everything."""
    return load_model()


@pytest.fixture(scope="session")
def served(model, root, tmp_path_factory):
    """The embedded model on a server."""
    with running(model, tmp_path_factory.mktemp("data"), root=root) as server:
        yield server


@pytest.fixture(scope="session")
def quick_model():
    """A tiny model that answers sentences alone."""
    return tiny(preset("less.rooms"))


@pytest.fixture
def scans(tmp_path):
    """A folder with three small clouds."""
    folder = tmp_path / "scans"
    (folder / "more").mkdir(parents=True)
    for seed, name in enumerate(("a.ply", "b.ply", "more/c.ply")):
        write_cloud(folder / name, seed)
    return folder


@pytest.fixture(name="read_here")
def _read_here(monkeypatch):
    """Let new scans be read in this process, which takes no second to start."""
    monkeypatch.setattr(service, "read_apart", read_here)


@pytest.fixture
def quick(quick_model, scans, tmp_path):
    """The tiny model on a server of its own."""
    (tmp_path / "data").mkdir()
    with running(quick_model, tmp_path / "data", root=scans) as server:
        yield server
