"""Programs: the meaning of a room sentence as a small JSON tree, and the executor that finds its objects.

A program is a dict with an "op"; `of` holds the set it narrows, so the innermost op is always a class:

    {"op": "class", "name": "chair"}                                   every thing a listener would call a chair
    {"op": "filter", "color": "red", "of": P}                          also "material", "shape", "size"; "not": true
    {"op": "relate", "rel": "beside", "of": P, "to": Q, "which": "the"}    rel: relations.RELATIONS or "carries";
                                                                       which: "the" (Q is one thing), "a" (any of Q),
                                                                       or a number (exactly so many of Q); "not": true
    {"op": "relate", "rel": "left", ..., "view": V}                    left, right, front, behind need a view
    {"op": "between", "of": P, "to": Q, "and": R}                      without "and": Q is two things
    {"op": "place", "where": "corner", "of": P}                        relations.PLACES; "not": true
    {"op": "closest", "of": P, "to": Q}                                or "farthest"
    {"op": "superlative", "by": "size", "most": true, "of": P}         by: relations.MEASURES
    {"op": "ordinal", "side": "left", "n": 2, "of": P, "view": V}      second from the left
    {"op": "count", "n": 2, "of": P}                                   there have to be exactly two
    {"op": "union", "of": [P, Q]}                                      all of P and all of Q

    V: {"frame": "facing", "at": Q} | {"frame": "own"} | {"frame": "door"} | {"frame": "wall"}

Truth has a margin: where a predicate is too close to call for a thing that matters, `run` raises `Ambiguous`.
"""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from saymask.errors import InputError
from saymask.rooms.language import relations
from saymask.rooms.language.measures import Geometry, Vector
from saymask.rooms.language.relations import NO, UNCLEAR, YES
from saymask.rooms.language.words import COLORS, MATERIALS, SHAPES, neighbours, noun
from saymask.rooms.room import Room

Program = dict[str, Any]
SIZES = ("large", "small", "tall", "low", "long")
_ABSOLUTE = {"tall": (1.5, 1.25), "low": (0.5, 0.65), "long": (2.2, 1.7)}  # clearly so; clearly not so
_BIMODAL = 1.25  # ratio that splits a class into its large and its small things


class Ambiguous(ValueError):
    """The program's answer is not clear-cut in this room; the message says where."""


class Evaluator:
    """Runs programs over one room; the geometry and every relation table are computed once."""

    def __init__(self, room: Room):
        self.room = room
        self.geometry = Geometry(room)
        self._classes: dict[str, tuple[int, ...]] = {}
        self._tables: dict[tuple, np.ndarray] = {}

    def __call__(self, program: Program) -> tuple[int, ...]:
        """Return the objectIds the program is true of, ascending; raise Ambiguous where that is not clear."""
        return tuple(sorted(self.room.things[k].id for k in self.rows(program)))

    def rows(self, program: Program) -> tuple[int, ...]:
        """Return the rows of `room.things` the program is true of, ascending; raise Ambiguous."""
        op = program["op"]
        if op == "class":
            return self.of_class(program["name"])
        if op == "union":
            return tuple(sorted({k for part in program["of"] for k in self.rows(part)}))
        rows = self.rows(program["of"])
        if op in ("filter", "relate", "between", "place"):
            return self._keep(rows, self.truths(program, rows), bool(program.get("not")), op)
        if op == "count":
            if len(rows) != program["n"]:
                raise Ambiguous(f"expected {program['n']} things, got {len(rows)}")
            return rows
        return (self._choose(program, rows),)

    def of_class(self, name: str) -> tuple[int, ...]:
        """Return the rows of every thing that noun `name` covers."""
        found = self._classes.get(name)
        if found is None:
            covered = noun(name).categories
            found = tuple(k for k, thing in enumerate(self.room.things) if thing.category in covered)
            self._classes[name] = found
        return found

    def one(self, program: Program) -> int:
        """Return the single row that an anchor's program is true of; raise Ambiguous when it is not one thing."""
        rows = self.rows(program)
        if len(rows) != 1:
            raise Ambiguous(f"'the' needs one thing, got {len(rows)}")
        return rows[0]

    @staticmethod
    def _keep(rows: tuple[int, ...], answer: np.ndarray, negate: bool, op: str) -> tuple[int, ...]:
        wanted = NO if negate else YES
        kept = []
        for k in rows:
            value = answer[k]
            if value == UNCLEAR:
                raise Ambiguous(f"{op} is too close to call")
            if value == wanted:
                kept.append(k)
        return tuple(kept)

    def truths(self, program: Program, rows: tuple[int, ...]) -> np.ndarray:
        """Return int8 [K]: YES, NO or UNCLEAR of the outermost predicate of `program`, before "not", for all things.

        `rows` is the set it narrows: "large" and "small" are said relative to it.
        """
        op = program["op"]
        if op == "filter":
            if program.get("size") in ("large", "small"):
                return self._relative_size(program["size"], rows)
            key = (op, *(program.get(name) for name in _FILTERS))
            return self._cached(key, lambda: self._filter(program))
        if op == "place":
            return self._cached((op, program["where"]), lambda: relations.place(self.geometry, program["where"]))
        if op == "between":
            if "and" in program:
                ends = (self.one(program["to"]), self.one(program["and"]))
            else:
                ends = self.rows(program["to"])
                if len(ends) != 2:
                    raise Ambiguous(f"between needs two things, got {len(ends)}")
            return self._cached((op, *ends), lambda: relations.between(self.geometry, *ends))
        return self._relate(program)

    def _cached(self, key: tuple, make: Callable[[], np.ndarray]) -> np.ndarray:
        found = self._tables.get(key)
        if found is None:
            found = self._tables[key] = make()
        return found

    def _filter(self, program: Program) -> np.ndarray:
        things = self.room.things
        if program.get("material") == "wood":
            # Painted wood does not look like wood: nobody can tell.
            yes = np.array([t.material == "wood" and t.color in ("brown", "beige") for t in things], dtype=bool)
            may = [t.material == "wood" or neighbours("material", t.material, "wood") for t in things]
            return relations.truth(yes, ~np.array(may, dtype=bool))
        for kind in ("color", "material", "shape"):
            if kind in program:
                value = program[kind]
                have = [getattr(t, kind) for t in things]
                yes = np.array([v == value for v in have], dtype=bool)
                return relations.truth(yes, np.array([not neighbours(kind, v, value) for v in have], dtype=bool))
        word = program["size"]
        yes, no = _ABSOLUTE[word]
        size = self.geometry.size
        value = size[:, :2].max(axis=1) / np.maximum(size[:, :2].min(axis=1), 0.05) if word == "long" else size[:, 2]
        value = np.round(value, 6)
        if word == "low":
            return relations.truth(value <= yes, value >= no)
        return relations.truth(value >= yes, value <= no)

    def _relative_size(self, word: str, rows: tuple[int, ...]) -> np.ndarray:
        """Large and small split the set at its widest step in size; no wide step, no truth."""
        answer = np.full(len(self.room.things), UNCLEAR, dtype=np.int8)
        values = relations.measure(self.geometry, "size")
        order = sorted(rows, key=lambda k: (values[k], k))
        steps = [float(values[b] / values[a]) for a, b in pairwise(order)]
        cut = max(range(len(steps)), key=lambda i: (steps[i], -i), default=None)
        if cut is not None and steps[cut] >= _BIMODAL:
            for i, k in enumerate(order):
                answer[k] = YES if (i > cut) == (word == "large") else NO
        return answer

    def _relate(self, program: Program) -> np.ndarray:
        name, which = program["rel"], program.get("which", "the")
        anchors = (self.one(program["to"]),) if which == "the" else self.rows(program["to"])
        if not anchors:
            raise Ambiguous("the anchor is not in the room")
        tables = np.stack([self._table(name, k, program.get("view")) for k in anchors])
        if which in ("the", "a"):
            return tables.max(axis=0) if len(tables) > 1 else tables[0]
        count, open_ = (tables == YES).sum(axis=0), (tables == UNCLEAR).any(axis=0)
        return np.where(open_, UNCLEAR, np.where(count == which, YES, NO)).astype(np.int8)

    def _table(self, name: str, anchor: int, view: Program | None) -> np.ndarray:
        if name == "carries":
            return relations.carries(self.geometry, anchor)
        if name not in relations.VIEWED:
            return relations.table(self.geometry, name, anchor)
        view = view or {"frame": "own"}
        if name in ("front", "behind") and view["frame"] != "own":
            raise Ambiguous("in front and behind are said by the anchor's own front")
        return relations.table(self.geometry, name, anchor, self.direction(view, anchor))

    def direction(self, view: Program, anchor: int | None, rows: tuple[int, ...] = ()) -> Vector:
        """Return the horizontal unit vector in which the viewer of `view` looks.

        "facing": towards the thing `at`; "own": as the anchor's own front looks (somebody who sits on it); "door":
        into the room; "wall": towards the wall on which all of `rows` hang. Raises Ambiguous where listeners would
        disagree.
        """
        g, frame = self.geometry, view["frame"]
        if frame == "facing":
            found = g.facing(self.one(view["at"]))
        elif frame == "own":
            found = None if anchor is None else g.front_of(anchor)
        elif frame == "door":
            doors = self.of_class("door")
            wall = self.room.things[doors[0]].wall if len(doors) == 1 else None
            found = None if wall is None else g.wall_inward(wall)
        else:
            walls = {self.room.things[k].wall for k in rows}
            wall = next(iter(walls)) if len(walls) == 1 else None
            inward = None if wall is None else g.wall_inward(wall)
            found = None if inward is None else (-inward[0], -inward[1])
        if found is None:
            raise Ambiguous(f"no clear viewpoint ({frame})")
        return (round(found[0], 9), round(found[1], 9))

    def _in_sight(self, rows: tuple[int, ...], anchor: int, direction: Vector) -> None:
        """Raise Ambiguous unless things in a row are near what the viewer faces: nobody counts behind their back."""
        to = self.geometry.center[list(rows), :2] - self.geometry.center[anchor, :2]
        if bool((np.round(to @ np.array(direction), 6) < -2.0).any()):
            raise Ambiguous("some of the row may be behind the viewer")

    def _choose(self, program: Program, rows: tuple[int, ...]) -> int:
        op, g = program["op"], self.geometry
        if op in ("closest", "farthest"):
            found = relations.nearest(g, list(rows), self.one(program["to"]), farthest=op == "farthest")
        elif op == "superlative":
            found = relations.extreme(g, list(rows), program["by"], program["most"])
        else:
            direction = self.direction(program["view"], None, rows)
            if program["view"]["frame"] == "facing":
                self._in_sight(rows, self.one(program["view"]["at"]), direction)
            found = relations.in_row(g, list(rows), direction, program["n"], program["side"])
        if found is None:
            raise Ambiguous(f"{op} is too close to call")
        return found


def run(program: Program, room: Room) -> tuple[int, ...]:
    """Return the objectIds of `room` that `program` is true of, ascending.

    Raises Ambiguous when a predicate is within its margin, and InputError when the program is not well formed.
    """
    check(program)
    return Evaluator(room)(program)


_FILTERS: dict[str, tuple[str, ...]] = {
    "color": COLORS, "material": tuple(MATERIALS), "shape": tuple(SHAPES), "size": SIZES,
}  # fmt: skip


def check(program: Any) -> None:
    """Raise InputError unless `program` is a well-formed program (a file may have been edited or cut)."""

    def bad(what: str) -> InputError:
        return InputError(f"not a room program: expected {what}, got {json.dumps(program, default=str)[:120]}")

    if not isinstance(program, dict) or "op" not in program:
        raise bad('an object with "op"')
    op = program["op"]
    if op == "class":
        if not isinstance(program.get("name"), str):
            raise bad('a noun as "name"')
        return
    if op == "union":
        if not isinstance(program.get("of"), list) or len(program["of"]) < 2:
            raise bad('a list of two or more programs as "of"')
        for part in program["of"]:
            check(part)
        return
    if "of" not in program:
        raise bad('a program as "of"')
    check(program["of"])
    for key in ("to", "and"):
        if key in program:
            check(program[key])
    view = program.get("view")
    if view is not None:
        if not isinstance(view, dict) or view.get("frame") not in ("facing", "own", "door", "wall"):
            raise bad("a view with a frame")
        if view["frame"] == "facing":
            check(view.get("at"))
    which = program.get("which", "the")
    well = {
        "filter": sum(program.get(k) in v for k, v in _FILTERS.items() if k in program) == 1,
        "relate": program.get("rel") in (*relations.RELATIONS, "carries")
        and "to" in program
        and (which in ("the", "a") or (isinstance(which, int) and which > 0)),
        "between": "to" in program,
        "place": program.get("where") in relations.PLACES,
        "closest": "to" in program,
        "farthest": "to" in program,
        "superlative": program.get("by") in relations.MEASURES and isinstance(program.get("most"), bool),
        "ordinal": program.get("side") in ("left", "right")
        and isinstance(program.get("n"), int)
        and program["n"] > 0
        and view is not None,
        "count": isinstance(program.get("n"), int),
    }
    if op not in well:
        raise bad(f"an op of {', '.join(sorted(well))}, class or union")
    if not well[op]:
        raise bad(f"well-formed arguments for {op}")


def modifiers(program: Program) -> tuple[Program, list[Program]]:
    """Return the innermost class or union and the ops around it, innermost first (each still holds its `of`)."""
    chain = []
    while program["op"] not in ("class", "union"):
        chain.append(program)
        program = program["of"]
    return program, chain[::-1]


def nested(core: Program, ops: list[Program]) -> Program:
    """Return the program that applies `ops` (their own `of` is replaced) to `core`, first op innermost."""
    for op in ops:
        core = {**op, "of": core}
    return core


def parts(program: Program) -> list[Program]:
    """Return every sub-program of `program`, itself first, anchors and viewpoints included."""
    found = [program]
    for key in ("of", "to", "and"):
        value = program.get(key)
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict):
                found += parts(part)
    view = program.get("view")
    if view is not None and "at" in view:
        found += parts(view["at"])
    return found


Kind = Literal["class", "attribute", "size", "place", "relation", "view", "between", "distance", "ordinal"]
_KINDS: dict[str, Kind] = {"superlative": "size", "closest": "distance", "farthest": "distance", "between": "between",
                           "place": "place", "ordinal": "ordinal"}  # fmt: skip
_ORDER: tuple[Kind, ...] = ("ordinal", "between", "distance", "view", "relation", "place", "size", "attribute", "class")


def kind_of(program: Program) -> Kind:
    """Return the hardest thing that the program asks of a listener (anchors' own descriptions do not count)."""
    core, chain = modifiers(program)
    found: set[Kind] = {"class"}
    if core["op"] == "union":
        found |= {kind_of(part) for part in core["of"]}
    for op in chain:
        if op["op"] == "relate":
            found.add("view" if "view" in op else "relation")
        elif op["op"] == "filter":
            found.add("size" if "size" in op else "attribute")
        elif op["op"] in _KINDS:
            found.add(_KINDS[op["op"]])
    return next(kind for kind in _ORDER if kind in found)
