"""Composition of programs: facts that together tell one thing, several things, or nothing.

Facts are drawn by weight and narrow the class of the target until only the target is left; facts that are true but
not needed are added, as people do.
"""

from collections.abc import Collection, Sequence

import numpy as np

from saymask.rooms.language.facts import Fact, Facts, held_out
from saymask.rooms.language.programs import Ambiguous, Evaluator, Program, nested, parts
from saymask.rooms.language.relations import NO, UNCLEAR, YES
from saymask.rooms.language.words import ABSENT, COLORS, noun, nouns_of
from saymask.rooms.room import Room


class Composer:
    """Draws programs that mean one thing, several, or nothing in one room; None where a draw did not get there.

    A program from here may still be ambiguous as a whole: run it before it is said.
    """

    def __init__(self, room: Room, rng: np.random.RandomState, seen: Collection[int] | None = None):
        self.room, self.rng = room, rng
        self.evaluator = Evaluator(room)
        self.plain = Facts(self.evaluator, held=False, seen=seen)
        self.held = Facts(self.evaluator, held=True, seen=seen)
        self.heads = self.plain.heads
        self.pointwise: dict[tuple[int, str, bool], list[Fact]] = {}

    def chance(self, p: float) -> bool:
        """Draw true with probability p."""
        return bool(self.rng.random_sample() < p)

    def draw(self, facts: Sequence[Fact]) -> Fact:
        """Draw one fact by weight."""
        weights = np.cumsum([fact.weight for fact in facts])
        at = int(np.searchsorted(weights, self.rng.random_sample() * weights[-1], side="right"))
        return facts[min(at, len(facts) - 1)]

    def name(self, t: int) -> str:
        """Draw the noun of a target: its own class's head more often than a narrower or wider word."""
        names = [entry.name for entry in nouns_of(self.room.things[t].category)]
        head = self.heads[t]
        if head in names and self.chance(0.6):
            return head
        return names[min(int(self.rng.randint(len(names))), 1)]

    def facts(self, t: int, name: str, held: bool) -> list[Fact]:
        """Return the places and relations of the thing at row t, drawn once per name."""
        key = (t, name, held)
        if key not in self.pointwise:
            self.pointwise[key] = (self.held if held else self.plain).pointwise(t, name, self.rng)
        return self.pointwise[key]

    def single(self, t: int, held: bool) -> Program | None:
        """Draw a program that is true of the thing at row t alone; None when this draw did not get there."""
        name = self.name(t)
        base: Program = {"op": "class", "name": name}
        rows = self.evaluator.of_class(name)
        book = self.held if held else self.plain
        attributes = [f for f in book.attributes(t, name) if f.truth is not None]
        if held:
            attributes = [f if not held_out({**f.op, "of": base}) else Fact(f.op, f.family, 30.0, f.truth, f.about)
                          for f in attributes]  # fmt: skip
        style = self.rng.random_sample()
        if style < 0.54:
            chain = self._by_attributes(rows, attributes)
        elif style < 0.72 and len(rows) > 1:
            chain = self._by_choice(t, base, rows, attributes, book)
        else:
            chain = self._by_relations(t, name, rows, attributes, held)
        return None if chain is None else nested(base, [f.op for f in chain])

    def _by_attributes(self, rows: tuple[int, ...], attributes: list[Fact]) -> list[Fact] | None:
        chain, rest = self._narrow(rows, attributes, 2)
        if rest is None:
            return None
        left = [f for f in attributes if f not in chain and f.family == "attribute"]
        wanted = max(len(chain), 1) + (self.chance(0.7) + self.chance(0.4) if self.chance(0.8) else 0)
        while left and len(chain) < wanted:
            fact = self.draw(left)
            chain, left = [*chain, fact], [f for f in left if f is not fact]
        return _in_order(chain) if chain else None

    def _narrow(self, rows: tuple[int, ...], facts: list[Fact], most: int) -> tuple[list[Fact], tuple[int, ...] | None]:
        """Draw facts that narrow `rows` to one thing; (facts, None) when `most` are not enough."""
        chain: list[Fact] = []
        if len(rows) > 1:
            facts = [f for f in facts if f.family != "size" or _clear(f, rows)]
        while len(rows) > 1:
            useful = [f for f in facts if f not in chain and _clear(f, rows) and _kept(f, rows) < len(rows)
                      and not _clash(f, chain)]  # fmt: skip
            if not useful or len(chain) == most:
                return chain, None
            chain.append(self.draw([Fact(f.op, f.family, f.weight / _kept(f, rows), f.truth, f.about) for f in useful]))
            truth = chain[-1].truth
            assert truth is not None
            rows = tuple(k for k in rows if truth[k] == YES)
            # `draw` gets re-weighted copies: put the fact itself into the chain, so that "not in chain" works.
            chain[-1] = next(f for f in useful if f.op is chain[-1].op)
        return chain, rows

    def _adorn(self, rows: tuple[int, ...], attributes: list[Fact], p: float) -> list[Fact]:
        """Draw none, one or two attributes that are said although they may not be needed."""
        chosen: list[Fact] = []
        for _ in range(2):
            left = [f for f in attributes if f not in chosen and (f.family == "attribute" or _clear(f, rows))]
            if left and self.chance(p):
                chosen.append(self.draw(left))
            p *= 0.4
        return chosen

    def _by_choice(
        self, t: int, base: Program, rows: tuple[int, ...], attributes: list[Fact], book: Facts
    ) -> list[Fact] | None:
        inner = [f for f in self._adorn(rows, attributes, 0.3)[:1] if _clear(f, rows) and _kept(f, rows) > 1]
        try:
            choices = book.choices(t, nested(base, [f.op for f in inner]))
        except Ambiguous:
            return None
        if not choices:
            return None
        chain = [*inner, self.draw(choices)]
        outer = [f for f in self._adorn(rows, attributes, 0.6) if f.family == "attribute" and f not in inner]
        extra = self._redundant(t, base["name"], [*chain, *outer], int(self.chance(0.8)), book.held)
        return [*chain, *outer, *extra]

    def _by_relations(
        self, t: int, name: str, rows: tuple[int, ...], attributes: list[Fact], held: bool
    ) -> list[Fact] | None:
        adjectives = self._adorn(rows, attributes, 0.75)
        front = [f for f in adjectives if _clear(f, rows)]
        narrowed = tuple(k for k in rows if all(f.truth is not None and f.truth[k] == YES for f in front))
        if not front:
            narrowed = rows
        relations, rest = self._narrow(narrowed, self.facts(t, name, held), 2)
        if rest is None:
            return None
        late = [f for f in adjectives if f not in front]
        draw = self.rng.random_sample()
        wanted = 1 if draw < 0.05 else 2 if draw < 0.45 else 3
        chain = [*_in_order(front), *relations, *late]
        extra = self._redundant(t, name, chain, max(wanted - len(relations), 0), held)
        return [*chain, *extra] if relations or extra else None

    def _redundant(self, t: int, name: str, chain: list[Fact], count: int, held: bool) -> list[Fact]:
        """Draw facts that are true of the target but not needed."""
        chosen: list[Fact] = []
        for _ in range(count):
            left = [f for f in self.facts(t, name, held) if not _clash(f, [*chain, *chosen])]
            if left:
                chosen.append(self.draw(left))
        return chosen

    def several(self) -> Program | None:
        """Draw a program that is true of two to ten things."""
        groups = self._groups()
        if self.chance(0.12):
            return self._union()
        if not groups:
            return None
        name, rows = groups[self.rng.randint(len(groups))]
        base: Program = {"op": "class", "name": name}
        t = rows[self.rng.randint(len(rows))]
        chain: list[Program] = []
        attributes = [f for f in self.plain.attributes(t, name) if _clear(f, rows)]
        style = self.rng.random_sample()
        if attributes and style < 0.55:
            fact = self.draw(attributes)
            negate = self.chance(0.12) and _kept(fact, rows) <= len(rows) - 2
            chain.append({**fact.op, "not": True} if negate else fact.op)
            rows = tuple(k for k in rows if fact.truth is not None and fact.truth[k] == (NO if negate else YES))
        if style >= 0.3:
            related = [f for f in self.facts(t, name, False) if _clear(f, rows) and _kept(f, rows) >= 2]
            if related:
                fact = self.draw(related)
                chain.append(fact.op)
                rows = tuple(k for k in rows if fact.truth is not None and fact.truth[k] == YES)
        if not 2 <= len(rows) <= 10:
            return None
        if self.chance(0.55):
            chain.append({"op": "count", "n": len(rows)})
        return nested(base, chain)

    def _groups(self) -> list[tuple[str, tuple[int, ...]]]:
        names = sorted({entry.name for k in self.plain.anchors for entry in nouns_of(self.room.things[k].category)})
        groups = [(name, self.evaluator.of_class(name)) for name in names]
        return [(name, rows) for name, rows in groups if len(rows) >= 2]

    def _union(self) -> Program | None:
        """Draw two things of different nouns that stand together: "the bed and the nightstand"."""
        named = [(k, r[0]) for k in self.plain.anchors if (r := self.plain.references(k)) and r[0].which == "the"]
        if len(named) < 2:
            return None
        a, first = named[self.rng.randint(len(named))]
        others = [(k, r) for k, r in named if k != a and self.heads[k] != self.heads[a]
                  and self.plain.geometry.apart[a, k] <= 1.5]  # fmt: skip
        if not others:
            return None
        _, second = others[self.rng.randint(len(others))]
        return {"op": "union", "of": [first.program, second.program]}

    def nothing(self) -> Program | None:
        """Draw a program with the right class and an attribute or relation that none of the class has."""
        candidates = [k for k in self.plain.anchors if self.plain.bulk[k] >= 0.12]
        if not candidates:
            return None
        t = candidates[self.rng.randint(len(candidates))]
        name = self.name(t)
        rows = self.evaluator.of_class(name)
        base: Program = {"op": "class", "name": name}
        chain: list[Program] = []
        if self.chance(0.55):
            color = COLORS[self.rng.randint(len(COLORS))]
            op: Program = {"op": "filter", "color": color}
            truth = self.evaluator.truths(op, rows)
            if not self.plain.allowed(color, noun(name).head) or (truth[list(rows)] != NO).any():
                return None
            chain = [op]
            if self.chance(0.5):
                extra = self._redundant(t, name, [], 1, False)
                chain += [f.op for f in extra]
        else:
            donor = candidates[self.rng.randint(len(candidates))]
            if self.heads[donor] == self.heads[t] or self.room.things[donor].mount != self.room.things[t].mount:
                return None
            false = [f for f in self.facts(donor, self.name(donor), False) if f.truth is not None
                     and (f.truth[list(rows)] == NO).all() and not _speaks_of(f.op, name)
                     and f.op.get("rel") not in ("at", "carries", "turned_to") and f.family != "between"]  # fmt: skip
            if not false:
                return None
            adorned = self._adorn(rows, self.plain.attributes(t, name), 0.6)[:1]
            chain = [f.op for f in adorned if _clear(f, rows)] + [self.draw(false).op]
        return nested(base, chain)

    def absent(self) -> Program | None:
        """Draw a program about a class that is not in the room at all, nor anything like it."""
        mounts = [mount for mount in ("floor", "on", "wall") for _ in range(2 if mount == "floor" else 1)]
        mount = mounts[self.rng.randint(len(mounts))]
        names = self.plain.absent_nouns(list(ABSENT[mount]))
        if not names:
            return None
        name = names[self.rng.randint(len(names))]
        chain: list[Program] = []
        if self.chance(0.55):
            color = ("white", "grey", "black", "brown", "red", "blue", "green")[self.rng.randint(7)]
            if self.plain.allowed(color, noun(name).head):
                chain.append({"op": "filter", "color": color})
        donors = [k for k, thing in enumerate(self.room.things) if thing.mount == mount and nouns_of(thing.category)]
        if donors and self.chance(0.75):
            donor = donors[self.rng.randint(len(donors))]
            facts = [f for f in self.facts(donor, self.heads[donor], False)
                     if f.op.get("rel") not in ("at", "carries", "turned_to")]  # fmt: skip
            if facts:
                chain.append(self.draw(facts).op)
        return nested({"op": "class", "name": name}, chain) if chain or self.chance(0.3) else None


def _clear(fact: Fact, rows: Sequence[int]) -> bool:
    return fact.truth is not None and not bool((fact.truth[list(rows)] == UNCLEAR).any())


def _kept(fact: Fact, rows: Sequence[int]) -> int:
    return 0 if fact.truth is None else int((fact.truth[list(rows)] == YES).sum())


def _in_order(chain: list[Fact]) -> list[Fact]:
    """Sizes first: "large" is said relative to the whole class."""
    return sorted(chain, key=lambda f: "size" not in f.op)


def _clash(fact: Fact, chain: list[Fact]) -> bool:
    """Return whether a fact would repeat what is already said: a second place, or the same anchor again."""
    if any(fact.op is other.op for other in chain):
        return True
    if fact.family == "place" and any(other.family == "place" for other in chain):
        return True
    return any(fact.about & other.about for other in chain)


def _speaks_of(op: Program, name: str) -> bool:
    head = noun(name).head
    return any(part["op"] == "class" and noun(part["name"]).head == head for part in parts({**op, "of": op["to"]})
               ) if "to" in op else False  # fmt: skip
