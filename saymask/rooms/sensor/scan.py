"""Scanning a room with a named sensor."""

from saymask.errors import InputError
from saymask.rooms.mesh import RoomMesh
from saymask.rooms.sensor.handheld import handheld
from saymask.rooms.sensor.ideal import Capture, ideal

SENSORS = ("ideal", "handheld")


def check_sensor(sensor: str) -> None:
    """Raise InputError for a sensor that does not exist."""
    if sensor not in SENSORS:
        raise InputError(f"unknown sensor {sensor!r}: expected one of {', '.join(SENSORS)}")


def scan_room(mesh: RoomMesh, sensor: str = "ideal") -> Capture:
    """Look at a room: a pure function of it and the sensor. InputError for a sensor that does not exist."""
    check_sensor(sensor)
    seen = ideal(mesh)
    return seen if sensor == "ideal" else handheld(mesh, seen)
