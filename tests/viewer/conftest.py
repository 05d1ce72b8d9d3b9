"""A room of known things, and a session on it."""

import pytest

from saymask.viewer.session import Session
from tests.viewer.fakes import FakeScene, small_room


@pytest.fixture(scope="module")
def room():
    return small_room()


@pytest.fixture
def session(room):
    return Session(room[0], FakeScene(*room))
