"""Scanning a room with a named sensor."""

from collections.abc import Callable

import numpy as np

from saymask.errors import InputError
from saymask.rooms.mesh import RoomMesh
from saymask.rooms.sensor.capture import Capture
from saymask.rooms.sensor.handheld import handheld
from saymask.rooms.sensor.ideal import ideal
from saymask.rooms.sensor.rgbd import rgbd

_SENSORS: dict[str, Callable[[RoomMesh, Capture], Capture]] = {
    "ideal": lambda mesh, capture: capture,
    "handheld": handheld,
    "rgbd": rgbd,
}
MIXED = {"ideal": 0.2, "handheld": 0.5, "rgbd": 0.3}
"""Shares of the sensors in `mixed`."""
SENSORS = (*_SENSORS, "mixed")


def check_sensor(sensor: str) -> None:
    """Raise InputError for a sensor that does not exist."""
    if sensor not in SENSORS:
        raise InputError(f"unknown sensor {sensor!r}: expected one of {', '.join(SENSORS)}")


def scan_room(mesh: RoomMesh, sensor: str = "ideal") -> Capture:
    """Look at a room: a pure function of it and the sensor. InputError for a sensor that does not exist."""
    check_sensor(sensor)
    return _SENSORS[drawn_sensor(mesh) if sensor == "mixed" else sensor](mesh, ideal(mesh))


def drawn_sensor(mesh: RoomMesh) -> str:
    """Return the sensor that `mixed` uses for a room, drawn from the room's seed."""
    draw = np.random.RandomState(np.array([*mesh.seed, 4], dtype=np.uint32)).random_sample()
    return list(MIXED)[int(np.searchsorted(np.cumsum(list(MIXED.values()))[:-1], draw, side="right"))]
