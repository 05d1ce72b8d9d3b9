"""Rooms: a synthetic benchmark of furnished rooms with sentences, in the file formats of ScanNet and ScanRefer.

`make_room` draws a room, `scan_room` looks at it with a sensor, `write_room` writes its files, and `generate` in
`saymask.rooms.generate` makes whole splits. The names are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saymask.rooms.mesh import RoomMesh, make_room
    from saymask.rooms.room import Room, Thing
    from saymask.rooms.sensor.capture import Capture
    from saymask.rooms.sensor.scan import scan_room
    from saymask.rooms.write import write_room

_HOME = {
    "Room": "room", "Thing": "room", "RoomMesh": "mesh", "make_room": "mesh", "Capture": "sensor.capture",
    "scan_room": "sensor.scan", "write_room": "write",
}  # fmt: skip
__all__ = ["Capture", "Room", "RoomMesh", "Thing", "make_room", "scan_room", "write_room"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"saymask.rooms.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
