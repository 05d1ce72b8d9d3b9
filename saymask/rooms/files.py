"""The JSON files beside the raw formats: the rooms as words and numbers, and the programs of the sentences.

OUT/rooms/<id>.json is one room (`write_room_json`, `read_room`); OUT/programs_{train,val}.json holds a record for every
sentence (`read_programs`). Together they let `program_oracle` run every program again.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from saymask.errors import InputError
from saymask.rooms.language.programs import Ambiguous, Evaluator, check
from saymask.rooms.room import Room, Thing
from saymask.util.files import read_json, write_text


def room_to_json(room: Room) -> dict[str, Any]:
    """Return the room as JSON values; floats keep every bit, so that programs give the same answers after a file."""
    return asdict(room)


def room_from_json(data: dict[str, Any]) -> Room:
    """Return the room that `room_to_json` wrote; InputError when fields are missing or unknown."""
    try:
        things = tuple(
            Thing(**{**thing, "center": tuple(thing["center"]), "size": tuple(thing["size"])})
            for thing in data["things"]
        )
        floor = tuple((float(x), float(y)) for x, y in data["floor"])
        return Room(**{**data, "floor": floor, "things": things})
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"not a room description: expected the fields of Room and Thing, got {error}") from None


def read_room(path: str | Path) -> Room:
    """Return the room in OUT/rooms/<id>.json."""
    return room_from_json(read_json(path))


def read_programs(path: str | Path) -> dict[str, list[dict[str, Any]]]:
    """Return OUT/programs_{train,val}.json: {"scanrefer": records, "multi3drefer": records}.

    A record holds scene_id, object_id (scanrefer) or object_ids (multi3drefer), ann_id, program, kind, compositional.
    Every program is checked; InputError names the first record that is not well formed.
    """
    data = read_json(path)
    if not isinstance(data, dict) or not {"scanrefer", "multi3drefer"} <= set(data):
        raise InputError(f"{path}: expected the keys scanrefer and multi3drefer")
    for name in ("scanrefer", "multi3drefer"):
        for number, record in enumerate(data[name]):
            try:
                check(record["program"])
            except (InputError, KeyError, TypeError) as error:
                raise InputError(f"{path}: {name} record {number}: {error}") from None
    return data


def write_room_json(path: str | Path, room: Room) -> None:
    """Write the room as JSON, atomically."""
    write_text(path, json.dumps(room_to_json(room), separators=(",", ":")))


def read_rooms(folder: str | Path) -> dict[str, Room]:
    """Return every room of OUT/rooms, by id."""
    rooms = [read_room(path) for path in sorted(Path(folder).glob("*.json"))]
    return {room.id: room for room in rooms}


def program_oracle(rooms: dict[str, Room], records: list[dict[str, Any]]) -> float:
    """Run every record's program again and return the share, in percent, whose answer is exactly its targets.

    `records`: one list of `read_programs`. Anything but 100.0 means that rooms and sentences do not belong together.
    Raises InputError when a record names a room that is not there; NaN without records.
    """
    evaluators: dict[str, Evaluator] = {}
    right = 0
    for record in records:
        scene = record["scene_id"]
        if scene not in rooms:
            raise InputError(f"programs name the room {scene}, which is not among the {len(rooms)} rooms given")
        if scene not in evaluators:
            evaluators[scene] = Evaluator(rooms[scene])
        wanted = tuple(int(i) for i in record["object_ids"]) if "object_ids" in record else (int(record["object_id"]),)
        try:
            right += evaluators[scene](record["program"]) == wanted
        except Ambiguous:
            continue
    return 100.0 * right / len(records) if records else float("nan")
