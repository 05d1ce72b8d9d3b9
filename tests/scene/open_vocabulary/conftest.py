import pytest

from tests.scene.open_vocabulary.coloured_room import make_room, write_masks, write_room
from tests.text.tiny import tiny_clip


@pytest.fixture(scope="session")
def room():
    return make_room()


@pytest.fixture(scope="session")
def recorded(tmp_path_factory):
    """A folder with the frames of the room, and one with the masks in them."""
    root = tmp_path_factory.mktemp("recorded")
    owners = write_room(root / "frames")
    write_masks(root / "masks", owners)
    return root


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp("encoder") / "clip", whole=True)
