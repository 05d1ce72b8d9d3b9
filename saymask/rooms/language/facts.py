"""Facts about a thing in a room: the modifiers from which its descriptions are built.

A fact is a program op without its `of`, that the target satisfies clearly. Pointwise facts carry the truth for every
thing of the room; choices (closest, largest, second from the left) depend on the set they choose from.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from saymask.rooms.language import relations
from saymask.rooms.language.programs import Ambiguous, Evaluator, Program, nested, parts
from saymask.rooms.language.relations import NO, YES
from saymask.rooms.language.words import (
    LANDMARKS,
    LOOKING,
    LYING,
    MATERIAL_HEADS,
    SITTABLE,
    STANDING,
    confusable,
    head_of,
    held_out_pair,
    noun,
    nouns_of,
)

_SEEN_HANGING = ("picture", "mirror", "clock", "tv")
_SUPERLATIVES: tuple[tuple[str, bool, float], ...] = (
    ("size", True, 1.0), ("size", False, 1.0), ("height", True, 0.7), ("height", False, 0.5), ("length", True, 0.4),
    ("altitude", True, 0.6), ("altitude", False, 0.6),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Fact:
    """One modifier; `truth` int8 [K] (YES, NO, UNCLEAR of every thing), None for choices."""

    op: Program
    family: str  # "attribute" | "size" | "place" | "relation" | "view" | "between" | "choice" | "ordinal"
    weight: float
    truth: np.ndarray | None
    about: frozenset[int] = frozenset()  # rows of the anchors it speaks of; no thing is spoken of twice


@dataclass(frozen=True)
class Reference:
    """A way to name an anchor: the program, and whether it means that one thing or any of several."""

    program: Program
    which: str
    rows: tuple[int, ...]
    weight: float


def pairs(program: Program) -> set[tuple[str, str]]:
    """Return the (attribute, head noun) pairs that a program states, of its target and of its anchors."""
    found: set[tuple[str, str]] = set()
    for part in parts(program):
        if part["op"] == "filter" and "size" not in part:
            value = next(part[key] for key in ("color", "material", "shape") if key in part)
            core = part
            while core["op"] not in ("class", "union"):
                core = core["of"]
            for leaf in core["of"] if core["op"] == "union" else [core]:
                if leaf["op"] == "class":
                    found.add((value, noun(leaf["name"]).head))
    return found


def held_out(program: Program) -> bool:
    """Return whether the program states an attribute of a noun that train never states together."""
    return any(held_out_pair(*pair) for pair in pairs(program))


class Facts:
    """All facts of one room, by target; tables and references are made once."""

    def __init__(self, evaluator: Evaluator, *, held: bool, seen: Collection[int] | None = None):
        self.evaluator = evaluator
        self.held = held  # may held-out pairs be said?
        self.geometry = evaluator.geometry
        self.things = evaluator.room.things
        self.heads = self.geometry.heads
        self.bulk = np.cbrt(np.maximum(self.geometry.size, 0.03).prod(axis=1)) if self.things else np.zeros(0)
        self.seen = [seen is None or t.id in seen for t in self.things]
        self.anchors = [
            k for k, t in enumerate(self.things) if nouns_of(t.category) and max(t.size) >= 0.15 and self.seen[k]
        ]
        self._references: dict[int, list[Reference]] = {}

    def allowed(self, value: str, head: str) -> bool:
        """Return whether this speaker may say attribute `value` of noun `head`."""
        return self.held or not held_out_pair(value, head)

    def references(self, b: int) -> list[Reference]:
        """Return the ways to name the thing at row b as an anchor; the first ones are the shortest."""
        if b in self._references:
            return self._references[b]
        found: list[Reference] = []
        thing = self.things[b]
        for entry in nouns_of(thing.category)[:2]:
            of_class: Program = {"op": "class", "name": entry.name}
            rows = self.evaluator.of_class(entry.name)
            if rows == (b,):
                found.append(Reference(of_class, "the", rows, 1.0))
            for key in ("color", "shape"):
                value = getattr(thing, key)
                if value is not None and self.allowed(value, entry.head):
                    program = {"op": "filter", key: value, "of": of_class}
                    if self._clearly(program, b):
                        found.append(Reference(program, "the", (b,), 0.25 if rows == (b,) else 1.0))
            if len(rows) > 1:
                found.append(Reference(of_class, "a", rows, 0.7))
                for where in ("corner", "middle"):
                    program = {"op": "place", "where": where, "of": of_class}
                    if self._clearly(program, b):
                        found.append(Reference(program, "the", (b,), 0.4))
                for program in self._nested(of_class, b):
                    found.append(Reference(program, "the", (b,), 0.25))
        self._references[b] = found
        return found

    def _nested(self, of_class: Program, b: int) -> Iterator[Program]:
        """Yield anchors that need an anchor of their own: "the desk by the window"."""
        made = 0
        for c in self.anchors:
            if c == b or made >= 2 or self.bulk[c] < 0.3:
                continue
            name = nouns_of(self.things[c].category)[0].name
            if self.evaluator.of_class(name) != (c,) or self.heads[c] == self.heads[b]:
                continue
            for relation in ("beside", "on"):
                if relations.table(self.geometry, relation, c)[b] == YES:
                    program = {"op": "relate", "rel": relation, "of": of_class, "to": {"op": "class", "name": name},
                               "which": "the"}  # fmt: skip
                    if self._clearly(program, b):
                        made += 1
                        yield program

    def _clearly(self, program: Program, b: int) -> bool:
        try:
            return self.evaluator.rows(program) == (b,)
        except Ambiguous:
            return False

    def attributes(self, t: int, name: str) -> list[Fact]:
        """Return colour, material, shape and absolute size facts of the thing at row t, called `name`."""
        thing, head, found = self.things[t], noun(name).head, []
        rows = self.evaluator.of_class(name)
        for key, weight in (("color", 3.0), ("material", 0.8), ("shape", 0.8)):
            value = getattr(thing, key)
            if value is None or not self.allowed(value, head):
                continue
            if key != "material" or head in MATERIAL_HEADS.get(value, ()):
                found.append(self._fact({"op": "filter", key: value}, "attribute", weight, rows))
        for word, heads in (("tall", STANDING), ("low", LYING), ("long", LYING)):
            if head in heads:
                found.append(self._fact({"op": "filter", "size": word}, "size", 0.4, rows))
        if len(rows) > 1:
            for word in ("large", "small"):
                found.append(self._fact({"op": "filter", "size": word}, "size", 0.5, rows))
        return [fact for fact in found if fact.truth is not None and fact.truth[t] == YES]

    def _fact(self, op: Program, family: str, weight: float, rows: tuple[int, ...]) -> Fact:
        return Fact(op, family, weight, self.evaluator.truths(op, rows))

    def pointwise(self, t: int, name: str, rng: np.random.RandomState) -> list[Fact]:
        """Return the places and relations that clearly hold for the thing at row t; references are drawn by `rng`."""
        thing, g = self.things[t], self.geometry
        found: list[Fact] = []
        for where, weight in (("corner", 3.0), ("wall", 0.8), ("hung", 1.0), ("ceiling", 0.3), ("floor", 0.5),
                              ("middle", 3.0)):  # fmt: skip
            truth = relations.place(g, where)
            rows = list(self.evaluator.of_class(name))
            # "on the floor" or "on the wall" is worth saying only where a thing of the class is elsewhere.
            told = where not in ("hung", "ceiling", "floor") or bool((truth[rows] == NO).any())
            if truth[t] == YES and (told or (where == "hung" and self.heads[t] in _SEEN_HANGING)):
                found.append(Fact({"op": "place", "where": where}, "place", weight, truth))
        own = set(self.evaluator.of_class(name))
        for b in self.anchors:
            if b == t or b in own or g.gap[t, b] > 3.0:
                continue
            references = [r for r in self.references(b) if not self._circular(r, thing.category)]
            if not references:
                continue
            found += self._relations(t, b, references, rng)
            found += self._views(t, b, references, rng)
        found += self._carried(t, rng)
        found += self._between(t, own)
        return [fact for fact in found if thing.mount != "ceiling" or fact.family != "view"]

    @staticmethod
    def _circular(reference: Reference, category: str) -> bool:
        """Return whether an anchor is itself explained by the target's class ("the chair next to the cabinet")."""
        names = [part["name"] for part in parts(reference.program) if part["op"] == "class"]
        return len(names) > 1 and any(category in noun(name).categories for name in names)

    def _draw(self, references: list[Reference], rng: np.random.RandomState) -> Reference:
        weights = np.array([r.weight for r in references])
        return references[int(np.searchsorted(np.cumsum(weights), rng.random_sample() * weights.sum(), side="right"))]

    def _relations(self, t: int, b: int, references: list[Reference], rng: np.random.RandomState) -> Iterator[Fact]:
        base = float(np.clip(self.bulk[b] / 0.6, 0.25, 1.5))
        big = self.bulk[b] >= 0.6 * min(self.bulk[t], 0.6)  # "the couch beside the cup" is no way to point at a couch
        for name, weight in (("beside", 1.0), ("near", 0.35), ("at", 2.0), ("on", 2.5), ("under", 2.5), ("above", 1.2),
                             ("below", 1.2), ("turned_to", 0.5), ("front", 1.2), ("behind", 1.2)):  # fmt: skip
            if not big and name not in ("above", "below"):
                continue
            if name == "near" and relations.table(self.geometry, "beside", b)[t] == YES:
                continue
            hung = self.things[b].mount == "wall", self.things[t].mount == "wall"
            if name in ("front", "behind"):
                direction = self.geometry.front_of(b)
                if hung[1] or direction is None or (name == "behind" and self.things[b].wall is not None):
                    continue
                table = relations.table(self.geometry, name, b, (round(direction[0], 9), round(direction[1], 9)))
                extra: Program = {"view": {"frame": "own"}}
            else:
                table, extra = relations.table(self.geometry, name, b), {}
            if name in ("beside", "near") and (
                (hung[0] and not hung[1] and self.heads[b] not in LANDMARKS)
                or (hung[1] and not hung[0] and self.heads[t] not in LANDMARKS)
            ):
                continue
            if name in ("front", "behind") and self.heads[b] == "chair":
                weight *= 0.4
            if name == "turned_to" and self.heads[t] not in LOOKING:
                continue
            if name == "turned_to" and self.heads[b] not in ("tv", "desk", "window", "table", "board", "bed", "couch"):
                continue
            if name == "above" and self.heads[t] in ("window", "curtain"):
                weight *= 0.3
            if table[t] != YES:
                continue
            reference = self._draw(references, rng)
            op = {"op": "relate", "rel": name, "to": reference.program, "which": reference.which, **extra}
            try:
                truth = self.evaluator.truths(op, ())
            except Ambiguous:
                continue
            if truth[t] == YES:
                # By the anchor's own front: counts as a viewed relation.
                yield Fact(op, "view" if extra else "relation", weight * base * reference.weight, truth,
                           frozenset(reference.rows))  # fmt: skip

    def _views(self, t: int, b: int, references: list[Reference], rng: np.random.RandomState) -> Iterator[Fact]:
        if self.bulk[b] < 0.35 or self.bulk[b] < 0.5 * min(self.bulk[t], 0.8):
            return
        reference = references[0]
        if reference.which != "the":
            return
        views: list[tuple[Program, float]] = [({"frame": "facing", "at": reference.program}, 0.9)]
        if self.heads[b] in SITTABLE and self.things[b].fronted:
            views.append(({"frame": "own"}, 0.4))
        views.append(({"frame": "door"}, 0.15))
        for view, weight in views:
            try:
                direction = self.evaluator.direction(view, b)
            except Ambiguous:
                continue
            for side in ("left", "right"):
                truth = relations.table(self.geometry, side, b, direction)
                if truth[t] == YES:
                    op = {"op": "relate", "rel": side, "to": reference.program, "which": "the", "view": view}
                    yield Fact(op, "view", weight, truth, frozenset({b}))

    def _carried(self, t: int, rng: np.random.RandomState) -> Iterator[Fact]:
        """Yield what the target carries: "with a lamp on it", "with two pillows on it"."""
        loads = [k for k, thing in enumerate(self.things) if thing.on == self.things[t].id and nouns_of(thing.category)]
        for name in sorted({nouns_of(self.things[k].category)[0].name for k in loads}):
            program: Program = {"op": "class", "name": name}
            count = sum(self.things[k].category in noun(name).categories for k in loads)
            op: Program = {"op": "relate", "rel": "carries", "to": program, "which": "a"}
            if count > 1 and count <= 10:
                op["which"] = count
            truth = self.evaluator.truths(op, ())
            if truth[t] == YES:
                yield Fact(op, "relation", 1.2, truth, frozenset(loads))

    def _between(self, t: int, own: set[int]) -> Iterator[Fact]:
        near = [b for b in self.anchors if b != t and b not in own and self.bulk[b] >= 0.3
                and self.geometry.gap[t, b] <= 1.5 and self.references(b)][:14]  # fmt: skip
        for i, b in enumerate(near):
            for c in near[i + 1 :]:
                truth = relations.between(self.geometry, b, c)
                if truth[t] != YES:
                    continue
                left, right = self.references(b)[0], self.references(c)[0]
                if left.which == right.which == "the":
                    op: Program = {"op": "between", "to": left.program, "and": right.program}
                    yield Fact(op, "between", 1.5, truth, frozenset({b, c}))
                elif left.program == right.program and len(left.rows) == 2:
                    op = {"op": "between", "to": {"op": "count", "n": 2, "of": left.program}}
                    yield Fact(op, "between", 2.5, truth, frozenset({b, c}))

    def choices(self, t: int, base: Program) -> list[Fact]:
        """Return the choices from the set of `base` that clearly fall on the thing at row t."""
        rows = self.evaluator.rows(base)
        if len(rows) < 2 or t not in rows:
            return []
        ops: list[tuple[Program, str, float, frozenset[int]]] = []
        none: frozenset[int] = frozenset()
        hung = self.things[t].mount == "wall"
        for by, most, weight in _SUPERLATIVES:
            fits = {"altitude": hung, "height": not hung, "length": self.heads[t] in LYING}
            if fits.get(by, True):
                ops.append(({"op": "superlative", "by": by, "most": most}, "choice", weight, none))
        views: list[tuple[Program, frozenset[int]]] = [({"frame": "wall"}, none)] if hung else []
        for b in self.anchors:
            if b in rows or self.bulk[b] < 0.3:
                continue
            references = [r for r in self.references(b)[:2] if r.which == "the"
                          and not self._circular(r, self.things[t].category)]  # fmt: skip
            if references:
                program, about = references[0].program, frozenset({b})
                weight = float(np.clip(self.bulk[b] / 0.6, 0.25, 1.2))
                ops.append(({"op": "closest", "to": program}, "choice", weight, about))
                ops.append(({"op": "farthest", "to": program}, "choice", weight * 0.7, about))
                if self.heads[b] in ("desk", "table", "window", "bed", "board", "tv", "couch", "door", "counter"):
                    views.append(({"frame": "facing", "at": program}, about))
        views.append(({"frame": "door"}, none))
        for view, about in views:
            for side in ("left", "right"):
                for n in range(1, min(len(rows) + 1, 9) // 2 + 1):  # further on it is counted from the other side
                    op = {"op": "ordinal", "side": side, "n": n, "view": view}
                    ops.append((op, "ordinal", 3.0 if view["frame"] == "wall" else 1.5, about))
        found = []
        for op, family, weight, about in ops:
            try:
                if self.evaluator.rows(nested(base, [op])) == (t,):
                    found.append(Fact(op, family, weight, None, about))
            except Ambiguous:
                continue
        return found

    def absent_nouns(self, names: list[str]) -> list[str]:
        """Return those of `names` of which the room has nothing that a listener could take for one."""
        here = {head_of(t.category) for t in self.things}
        seen = {t.category for t in self.things}
        return [
            name
            for name in names
            if not (confusable(noun(name).head) & here) and not (noun(name).categories & seen) and not (
                confusable(name) & here)
        ]  # fmt: skip
