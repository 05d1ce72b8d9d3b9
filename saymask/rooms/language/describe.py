"""Descriptions of a room: ScanRefer and Multi3DRefer records whose targets are computed by running their programs.

For one room this draws targets, composes programs of facts that are clearly true, says them with the grammar, and keeps
a sentence only if its program gives exactly its targets. Train and val never share a sentence: a text belongs to the
split that its hash names. A tenth of the val sentences is compositional: a held-out phrasing *and* an attribute-noun
pair that train never says.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from saymask.rooms.language.compose import Composer
from saymask.rooms.language.facts import held_out
from saymask.rooms.language.grammar import Posture, Sentence, is_choice, say, tokenize
from saymask.rooms.language.programs import Ambiguous, Program, kind_of, modifiers, parts
from saymask.rooms.language.words import HANGING, head_of
from saymask.rooms.room import Room

Split = Literal["train", "val"]
VIEW_WORDS = ("front", "behind", "back", "left", "right", "facing", "leftmost", "rightmost", "looking", "across")
COMPOSITIONAL_SHARE = 0.1
ALONE_SHARE = 0.25
PER_OBJECT = 5  # ScanRefer has at most five descriptions of an object
_TRIES = 60
_SMALLEST = 0.2  # metres: what is smaller than this has too few points in a scan to be asked for


@dataclass(frozen=True)
class Descriptions:
    """The sentences of one room, in the raw formats, and their programs.

    `scanrefer`: records scene_id, object_id, object_name, ann_id (strings), description, token. `multi3drefer`: records
    scene_id, object_ids, object_name, ann_id, description, eval_type, spatial, color, texture, shape. `programs`: the
    keys "scanrefer" and "multi3drefer", each a list parallel to the above of scene_id, object_id (or object_ids),
    ann_id, program, kind, compositional.
    """

    scanrefer: list[dict[str, Any]]
    multi3drefer: list[dict[str, Any]]
    programs: dict[str, list[dict[str, Any]]]


def split_of(text: str) -> Split:
    """Return the split that a sentence belongs to, by the sha1 of its tokens joined by spaces: val for one in five."""
    digest = hashlib.sha1(" ".join(tokenize(text)).encode("utf-8"), usedforsecurity=False).hexdigest()
    return "val" if int(digest, 16) % 10 < 2 else "train"


def view_dependent(program: Program) -> bool:
    """Return whether the program's meaning changes when the room is mirrored (left, right, in front of, behind)."""
    viewed = ("left", "right", "front", "behind")
    return any(part["op"] == "ordinal" or part.get("rel") in viewed for part in parts(program))


def says_view(description: str) -> bool:
    """Return whether LESS's augmentation recognises the description as view dependent (docs/systems/less.md §2.4)."""
    return any(f" {word} " in description + " " for word in VIEW_WORDS)


class _Writer(Composer):
    """Composes and says the descriptions of one room for one split."""

    def __init__(self, room: Room, rng: np.random.RandomState, split: Split, seen: Collection[int] | None):
        super().__init__(room, rng, seen)
        self.split = split
        self.seen: set[str] = set()

    def posture(self, t: int) -> Posture:
        """Return the verb that fits how the thing at row t is mounted."""
        mount = self.room.things[t].mount
        if mount == "on":
            return "lies"
        if mount == "floor":
            return "stands"
        return "hangs" if self.heads[t] in HANGING else "is"

    def told(self, program: Program | None, compositional: bool) -> tuple[Sentence, tuple[int, ...]] | None:
        """Run and say a program; None when its answer is unclear or no wording belongs to this split."""
        if program is None or held_out(program) != compositional:
            return None
        try:
            targets = self.evaluator.rows(program)
        except Ambiguous:
            return None
        if not all(self.plain.seen[k] for k in targets):
            return None
        viewed = view_dependent(program)
        posture = self.posture(targets[0]) if targets else "is"
        for _ in range(_TRIES):
            said = say(program, self.rng, number=len(targets), held=compositional, posture=posture)
            if said.held != compositional or (viewed and not says_view(said.text)) or split_of(said.text) != self.split:
                continue
            key = " ".join(tokenize(said.text))
            if key not in self.seen and said.text.isascii():
                self.seen.add(key)
                return said, targets
        return None


def describe(
    room: Room,
    *,
    rng: np.random.RandomState,
    split: Split,
    n_refer: int = 40,
    n_multi: int = 25,
    seen: Collection[int] | None = None,
) -> Descriptions:
    """Return up to `n_refer` ScanRefer and `n_multi` Multi3DRefer records of `room`, with their programs.

    Fewer come back when the room does not hold enough to tell apart (at most five descriptions per object; objects
    without a sibling of their class never outnumber those with one, as long as there is any). `seen`: objectIds of
    which the scan has enough points to speak of (default: all); the others are neither targets nor anchors, but still
    count when "the chair" has to be the only one. All randomness comes from `rng`, and the result is the same on every
    machine.
    """
    writer = _Writer(room, rng, split, seen)
    refer, refer_programs = _refer(writer, n_refer)
    multi, multi_programs = _multi(writer, n_multi)
    return Descriptions(refer, multi, {"scanrefer": refer_programs, "multi3drefer": multi_programs})


def _schedule(writer: _Writer, n: int) -> list[int]:
    """Return the rows to describe, the best first: salient things, siblings before those that are alone."""
    things, bulk = writer.room.things, writer.plain.bulk
    rows = [k for k in writer.plain.anchors if max(things[k].size) >= _SMALLEST]
    weight = np.clip(bulk / 0.5, 0.1, 1.5) ** 1.5
    count = Counter(writer.heads[k] for k in rows)
    order: list[list[int]] = []
    for siblings in (True, False):
        pool = [k for k in rows if (count[writer.heads[k]] > 1) == siblings]
        # Weighted order without replacement: exponential clocks.
        clock = {k: float(-np.log(1.0 - writer.rng.random_sample()) / weight[k]) for k in pool}
        order.append(sorted(pool, key=lambda k: clock[k]))
    wanted = max(1, -(-n // 3))
    alone = order[1][: max(wanted // 3, wanted - len(order[0]))] if order[0] else order[1]
    return [*order[0][: wanted - min(len(alone), wanted // 3)], *alone]


def _refer(writer: _Writer, n: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rows = _schedule(writer, n)
    made: dict[int, list[tuple[Sentence, Program, bool]]] = {t: [] for t in rows}
    total = 0
    if writer.split == "val":
        quota = int(COMPOSITIONAL_SHARE * n + writer.rng.random_sample() + 0.3)
        for t in _turns(writer, rows, quota * 12):
            if total >= quota:
                break
            if len(made[t]) < PER_OBJECT and (item := _draw_single(writer, t, True)):
                made[t].append(item)
                total += 1
    count = Counter(head_of(thing.category) for thing in writer.room.things)
    alone = 0
    for turn, t in enumerate(_turns(writer, rows, n * 6)):
        if total >= n:
            break
        single = count[writer.heads[t]] == 1
        # Things without a sibling wait until those with one had their turns: ScanRefer's unique share is a fifth.
        if single and alone >= ALONE_SHARE * n and turn < n * 3:
            continue
        if len(made[t]) < PER_OBJECT and (item := _draw_single(writer, t, False)):
            made[t].append(item)
            total += 1
            alone += single
    _balance(writer, made)
    records, programs = [], []
    scene = writer.room.id
    for t in sorted(made):
        thing = writer.room.things[t]
        for number, (said, program, compositional) in enumerate(made[t]):
            key = {"scene_id": scene, "object_id": str(thing.id)}
            records.append({**key, "object_name": thing.category.replace(" ", "_"), "ann_id": str(number),
                            "description": said.text, "token": tokenize(said.text)})  # fmt: skip
            programs.append({**key, "ann_id": str(number), "program": program, "kind": kind_of(program),
                             "compositional": compositional})  # fmt: skip
    return records, programs


def _turns(writer: _Writer, rows: list[int], limit: int) -> Iterator[int]:
    """Yield rows in rounds, shuffled anew each round, `limit` turns in all."""
    turns = 0
    while rows and turns < limit:
        for i in writer.rng.permutation(len(rows)):
            yield rows[i]
            turns += 1


def _draw_single(writer: _Writer, t: int, compositional: bool) -> tuple[Sentence, Program, bool] | None:
    for _ in range(3):
        program = writer.single(t, compositional)
        told = writer.told(program, compositional)
        if told is not None and program is not None and told[1] == (t,):
            return told[0], program, compositional
    return None


def _balance(writer: _Writer, made: dict[int, list[tuple[Sentence, Program, bool]]]) -> None:
    """Drop things without a sibling while they outnumber those with one (at least half have a sibling)."""
    count = Counter(head_of(thing.category) for thing in writer.room.things)
    described = [t for t in made if made[t]]
    alone = [t for t in described if count[writer.heads[t]] == 1]
    siblings = len(described) - len(alone)
    if siblings:
        for t in alone[siblings:]:
            made[t] = []


def _multi(writer: _Writer, n: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    records: list[dict[str, Any]] = []
    programs: list[dict[str, Any]] = []
    rows = _schedule(writer, n * 2)
    compositional_left = int(COMPOSITIONAL_SHARE * n + writer.rng.random_sample()) if writer.split == "val" else 0
    for turn in range(n * 10):
        if len(records) >= n or not rows:
            break
        style = writer.rng.random_sample()
        compositional = compositional_left > 0 and turn < n * 3  # some rooms hold no pair that is held out
        if compositional or style < 0.52:
            program = writer.single(rows[writer.rng.randint(len(rows))], compositional)
        elif style < 0.79:
            program = writer.several()
        elif style < 0.94:
            program = writer.nothing()
        else:
            program = writer.absent()
        told = writer.told(program, compositional)
        if told is None or program is None:
            continue
        compositional_left -= compositional
        said, targets = told
        core, chain = modifiers(program)
        things = writer.room.things
        same = len(writer.evaluator.of_class(core["name"])) if core["op"] == "class" else 0
        if len(targets) > 1:
            eval_type = "mt"
        elif targets:
            eval_type = "st_w_d" if same > 1 else "st_wo_d"
        else:
            eval_type = "zt_w_d" if same else "zt_wo_d"
        everything = parts(program)
        key = {"scene_id": writer.room.id, "object_ids": sorted(things[k].id for k in targets), "ann_id": len(records)}
        category = things[targets[0]].category if targets else core["name"]
        records.append(
            {
                **key,
                "object_name": category.replace(" ", "_"),
                "description": said.text,
                "eval_type": eval_type,
                "spatial": any(op["op"] in ("relate", "between", "place") or is_choice(op) for op in chain),
                "color": any("color" in part for part in everything),
                "texture": any("material" in part for part in everything),
                "shape": any("shape" in part or "size" in part for part in everything),
            }
        )
        programs.append({**key, "program": program, "kind": kind_of(program), "compositional": compositional})
    return records, programs


def sentence_statistics(
    records: Sequence[dict[str, Any]], programs: Sequence[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Return figures of ScanRefer-like or Multi3DRefer-like records, to set beside the published ones.

    Keys: "count", "objects" (described), "mean_tokens", "vocabulary", "unique" (share of annotations whose object is
    the only described one of its head noun in its scene; ScanRefer records only), "view_words" (share), "eval_types"
    (Multi3DRefer records only), and with `programs`: "kinds" and "compositional" (shares).
    """
    tokens = [record.get("token") or tokenize(record["description"]) for record in records]
    total = max(len(records), 1)
    result: dict[str, Any] = {
        "count": len(records),
        "mean_tokens": sum(len(words) for words in tokens) / total,
        "vocabulary": len({word for words in tokens for word in words}),
        "view_words": sum(says_view(record["description"]) for record in records) / total,
    }
    single = [record for record in records if "object_id" in record]
    if single:
        objects = {(r["scene_id"], r["object_id"]): head_of(r["object_name"].replace("_", " ")) for r in single}
        heads = Counter((scene, head) for (scene, _), head in objects.items())
        alone = sum(heads[r["scene_id"], objects[r["scene_id"], r["object_id"]]] == 1 for r in single)
        result["objects"] = len(objects)
        result["unique"] = alone / len(single)
    if any("eval_type" in record for record in records):
        result["eval_types"] = _shares(record["eval_type"] for record in records)
    if programs is not None:
        result["kinds"] = _shares(record["kind"] for record in programs)
        result["compositional"] = sum(bool(record["compositional"]) for record in programs) / max(len(programs), 1)
    return result


def _shares(values: Iterator[str] | Any) -> dict[str, float]:
    counts = Counter(values)
    total = sum(counts.values())
    return {key: counts[key] / total for key in sorted(counts)}
