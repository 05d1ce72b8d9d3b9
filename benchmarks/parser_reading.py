"""Readings of Rooms programs and of scene graphs in the same terms, so that they can be compared.

Terms: the main noun, its attributes, anchors (other things), their attributes, and relations (owner, kind, anchor).
Nouns are compared by the ways in which Rooms says a class; relation words by their kind ("beside", "left", "carries").
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from saymask.rooms.language.programs import Program, modifiers
from saymask.rooms.language.words import noun
from saymask.text.scene_graph.graph import MAIN, Edge, Node, SceneGraph
from saymask.text.scene_graph.nouns import lemma

_ATTRIBUTES = {
    "gray": "grey", "wooden": "wood", "metallic": "metal", "cloth": "fabric", "porcelain": "ceramic",
    "circular": "round", "big": "large", "little": "small", "paper": "cardboard",
}  # fmt: skip
_KNOWN = frozenset(
    ("white", "grey", "black", "brown", "red", "orange", "yellow", "green", "blue", "purple", "pink", "beige", "wood",
     "metal", "plastic", "fabric", "leather", "glass", "ceramic", "stone", "marble", "wicker", "cardboard", "round",
     "square", "rectangular", "l-shaped", "oval", "large", "small", "tall", "low", "long")
)  # fmt: skip
_SUPERLATIVES = {
    "largest": ("size", True), "biggest": ("size", True), "sizable": ("size", True), "smallest": ("size", False),
    "tiniest": ("size", False), "tallest": ("height", True), "towering": ("height", True),
    "shortest": ("height", False), "longest": ("length", True), "elongated": ("length", True),
    "highest": ("altitude", True), "uppermost": ("altitude", True), "lowest": ("altitude", False),
    "lowermost": ("altitude", False),
}  # fmt: skip
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6}
_NUMBERS = {"one": 1, "two": 2, "both": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
            "nine": 9, "ten": 10}  # fmt: skip
_PLACES = {
    "corner": "corner", "wall": "wall", "walls": "corner", "ceiling": "ceiling", "floor": "floor", "ground": "floor",
}  # fmt: skip
_NOWHERE = frozenset({"room", "left", "right", "side", "doorway", "top", "middle", "center", "area", "front", "end"})
_SAME = {"under": "below", "farthest": "farthest"}


@dataclass
class Facts:
    """Facts that a program or a scene graph states."""

    main: list[str] = field(default_factory=list)
    attributes: list[Any] = field(default_factory=list)
    anchors: list[str] = field(default_factory=list)
    anchor_attributes: list[Any] = field(default_factory=list)
    relations: list[tuple[str, str, str]] = field(default_factory=list)


def agree(want: Facts, have: Facts) -> dict[str, tuple[int, list, list]]:
    """Return per aspect how many facts agree, which are missing and which are extra."""
    pairs = {
        "main": (want.main, have.main),
        "attributes": (want.attributes, have.attributes),
        "anchors": (want.anchors, have.anchors),
        "anchor attributes": (want.anchor_attributes, have.anchor_attributes),
        "relations": (want.relations, have.relations),
    }
    result = {}
    for aspect, (first, second) in pairs.items():
        a, b = Counter(first), Counter(second)
        result[aspect] = (sum((a & b).values()), list((a - b).elements()), list((b - a).elements()))
    return result


# --- programs -------------------------------------------------------------------------------------------------------


def expected(program: Program) -> Facts:
    """Return what a program says."""
    facts = Facts()
    core, chain = modifiers(program)
    if core["op"] == "union":
        for part in core["of"][1:]:
            _anchor(part, facts)
        inner, before = modifiers(core["of"][0])
        core, chain = inner, before + [op for op in chain if op["op"] != "count"]
    facts.main.append(core["name"])
    facts.attributes += [a for op in chain if (a := _attribute(op)) is not None]
    for op in chain:
        _relate(op, "", facts)
    return facts


def _anchor(program: Program, facts: Facts, count: int = 1) -> str:
    """Add an anchor with everything said of it; return its noun."""
    core, chain = modifiers(program)
    if core["op"] == "union":
        names = [_anchor(part, facts) for part in core["of"]]
        return names[0]
    name = core["name"]
    facts.anchors.append(name)
    told = [a for op in chain if (a := _attribute(op)) is not None]
    if count > 1 and ("count", count) not in told:
        told.append(("count", count))
    facts.anchor_attributes += [(name, a) for a in told]
    for op in chain:
        _relate(op, name, facts)
    return name


def _attribute(op: Program) -> Any:
    if op["op"] == "filter":
        value = next(op[key] for key in ("color", "material", "shape", "size") if key in op)
        value = _ATTRIBUTES.get(value, value)
        return ("not", value) if op.get("not") else value
    if op["op"] == "superlative":
        return (op["by"], op["most"])
    if op["op"] == "ordinal":
        return ("from the", op["side"], op["n"])
    if op["op"] == "count":
        return ("count", op["n"])
    return None


def _relate(op: Program, owner: str, facts: Facts) -> None:
    """Add the relations of one op; `owner` is the noun it is said of, "" for the main target."""
    kind, sign = op["op"], "not " if op.get("not") else ""
    if kind == "place":
        facts.relations.append((owner, sign + op["where"], ""))
    elif kind in ("closest", "farthest"):
        facts.relations.append((owner, kind, _anchor(op["to"], facts)))
    elif kind == "between":
        ends = [op["to"], *([op["and"]] if "and" in op else [])]
        for end in ends:
            core, _ = modifiers(end)
            parts = core["of"] if core["op"] == "union" else [end]
            facts.relations += [(owner, "between", _anchor(part, facts)) for part in parts]
    elif kind == "relate":
        which = op.get("which", "the")
        name = _anchor(op["to"], facts, which if isinstance(which, int) else 1)
        facts.relations.append((owner, sign + _SAME.get(op["rel"], op["rel"]), name))
    view = op.get("view")
    if view is not None and view["frame"] == "facing" and view["at"] != op.get("to"):
        facts.relations.append((owner, "turned_to", _anchor(view["at"], facts)))


def _names(program: Any) -> dict[str, list[str]]:
    """Return the ways in which the classes of a program are said, each with the classes it may mean."""
    found: dict[str, list[str]] = {}

    def visit(part: Any) -> None:
        if isinstance(part, dict):
            if part.get("op") == "class":
                entry = noun(part["name"])
                for said in (*entry.singular, *entry.plural):
                    for form in (said, said.split(" of ")[-1]):
                        classes = found.setdefault(lemma(form.split()), [])
                        if part["name"] not in classes:
                            classes.append(part["name"])
            for value in part.values():
                visit(value)
        elif isinstance(part, list):
            for value in part:
                visit(value)

    visit(program)
    return found


# --- scene graphs ---------------------------------------------------------------------------------------------------


def found(graph: SceneGraph, program: Program) -> Facts:
    """Return what a scene graph says; `program` names the classes that its nouns may mean."""
    facts = Facts()
    names = _names(program)
    words = [word.strip(".,;!?").lower() for word in graph.words]
    wanted = Counter(_all_names(expected(program)))
    named = {node.id: _name(node, names, wanted) for node in graph.nodes}
    named[MAIN] = ""
    main = graph.main
    if main is not None:
        facts.main.append(_name(main, names, Counter(expected(program).main)))
        related = [k for e in graph.edges if e.object_id == MAIN for k in e.relation_words if _sided(e, words)]
        facts.attributes += _attributes(main, words, related)
    kinds = {node.id: node for node in graph.nodes}
    seen = {e.subject_id for e in graph.edges if _entering(e)}
    for node in graph.nodes:
        if node.id == MAIN or _place(node) or node.id in seen or (node.kind == "Scene" and not named[node.id]):
            continue
        facts.anchors.append(named[node.id] or node.lemma)
        facts.anchor_attributes += [(named[node.id] or node.lemma, a) for a in _attributes(node, words, [])]
    facts.relations += _relations(graph, words, kinds, named)
    return facts


def _all_names(facts: Facts) -> list[str]:
    return facts.main + facts.anchors


def _name(node: Node, names: dict[str, list[str]], wanted: Counter) -> str:
    """Return the class of the program that a node means, "" for none of them."""
    classes = names.get(node.lemma, []) or names.get(lemma(node.target.split()), [])
    return next((name for name in classes if wanted[name]), "")


def _place(node: Node) -> bool:
    return node.lemma in _PLACES or node.lemma in _NOWHERE or node.lemma.rpartition(" ")[2] in _PLACES


def _entering(edge: Edge) -> bool:
    """Return whether an edge only says where somebody comes in."""
    return bool({"entering", "enter", "coming", "come", "walk", "steps", "through"} & set(edge.relation.split()))


def _sided(edge: Edge, words: list[str]) -> bool:
    """Return whether an edge says from where places are counted: "from the left", "on the far left"."""
    said = {words[k] for k in edge.relation_words}
    return edge.subject in ("left", "right") and bool(said & {"from", "far", "farthest", "furthest"})


def _attributes(node: Node, words: list[str], related: list[int]) -> list[Any]:
    texts = [words[k] for k in node.modifiers]
    facts: set[Any] = set()
    rows = set(node.modifiers)
    for k, text in zip(node.modifiers, texts):
        value = _ATTRIBUTES.get(text, text)
        if text == "shaped" and k - 1 in rows and words[k - 1] == "l":
            value = "l-shaped"
        before = words[k - 1] if k and k - 1 in rows else ""
        if text in _SUPERLATIVES:
            facts.add(_SUPERLATIVES[text])
        elif before == "least" and text in ("tall", "long"):
            facts.add(("height" if text == "tall" else "length", False))
        elif value in _KNOWN:
            facts.add(("not", value) if before == "not" else value)
    facts |= _ordinal(texts, [words[k] for k in related])
    if not any(text == "number" for text in texts) and not facts & {f for f in facts if f[0] == "from the"}:
        facts |= {("count", _NUMBERS[text]) for text in texts if text in _NUMBERS and _NUMBERS[text] > 1}
    return list(facts)


def _ordinal(texts: list[str], related: list[str]) -> set[Any]:
    """Return (side, number) when the words count places from a side."""
    for side in ("left", "right"):
        if f"{side}most" in texts:
            return {("from the", side, 1)}
        if side not in related and side not in texts:
            continue
        number = next((_ORDINALS[t] for t in texts if t in _ORDINALS), 0)
        if "number" in texts:
            number = next((_NUMBERS[t] for t in texts if t in _NUMBERS), 0)
        elif not number and ({"far", "farthest", "furthest"} & {*texts, *related}):
            number = 1
        if number:
            return {("from the", side, number)}
    return set()


def _relations(
    graph: SceneGraph, words: list[str], nodes: dict[int, Node], named: dict[int, str]
) -> list[tuple[str, str, str]]:
    told: list[tuple[str, str, str]] = []
    views: dict[int, list[Edge]] = {}
    for edge in graph.edges:
        if edge.object_id == MAIN and _kind(edge) == "turned_to":
            views.setdefault(_sentence(edge, graph.words), []).append(edge)
    sides = {e.subject_id for e in graph.edges if _kind(e) in ("left", "right")}
    used = {id(edge) for group in views.values() for edge in group if edge.subject_id in sides}
    carried = {e.subject_id for e in graph.edges if _kind(e) == "carries"}
    for edge in graph.edges:
        if _entering(edge) or (edge.subject_id == MAIN and edge.object_id in carried):
            continue  # "with a lamp on it" says the same twice
        node = nodes.get(edge.subject_id)
        kind = _kind(edge)
        owner = "" if edge.object_id == MAIN else named[edge.object_id] or edge.object
        if node is None or not kind:
            continue
        if node.lemma in ("left", "right") and _ordinal_words(edge, graph, words):
            continue
        if kind in ("left", "right") and node.lemma in ("left", "right", "side"):
            faced = views.get(_sentence(edge, graph.words), [])
            if faced:
                used.add(id(faced[0]))
                told.append((owner, kind, named[faced[0].subject_id] or faced[0].subject))
            continue
        place = _placed(edge, node, kind)
        if place is not None:
            if place:
                told.append((owner, place, ""))
            continue
        told.append((owner, kind, named[edge.subject_id] or node.lemma))
    skip = Counter((named.get(e.object_id, ""), "turned_to", named[e.subject_id] or e.subject)
                   for group in views.values() for e in group if id(e) in used)  # fmt: skip
    return [fact for fact in told if not _taken(skip, fact)]


def _taken(skip: Counter, fact: tuple[str, str, str]) -> bool:
    if skip[fact]:
        skip[fact] -= 1
        return True
    return False


def _sentence(edge: Edge, words: Sequence[str]) -> int:
    return sum(word.endswith((".", ";", "!", "?")) for word in words[: edge.relation_words[0]])


def _ordinal_words(edge: Edge, graph: SceneGraph, words: list[str]) -> bool:
    """Return whether left or right is where places are counted from ("second from the left", "on the far left")."""
    said = {words[k] for k in edge.relation_words}
    node = next(n for n in graph.nodes if n.id == edge.subject_id)
    return bool(said & {"from", "far", "farthest", "furthest"} or {words[k] for k in node.modifiers} & {"far"})


def _placed(edge: Edge, node: Node, kind: str) -> str | None:
    """Return the place of the room that an edge says, "" for one that is no fact, None when it is about a thing."""
    sign = "not " if kind.startswith("not ") else ""
    last = node.target.rpartition(" ")[2]
    if last == "walls" or node.lemma == "corner":
        return sign + "corner"
    if node.lemma in ("middle", "center"):
        return sign + "middle"
    if node.lemma == "room":
        inside = {"middle", "center", "central"} & set(edge.relation.split())
        return sign + "middle" if inside else ""
    if node.lemma == "area":
        return sign + "middle"
    if last == "wall":
        if kind == "turned_to":
            return ""
        hung = {"on", "hanging", "hang", "hangs", "mounted", "attached"} & set(edge.relation.split())
        return sign + ("hung" if hung else "wall")
    if node.lemma == "ceiling":
        return sign + "ceiling"
    return sign + "floor" if node.lemma in ("floor", "ground") else None


_RULES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("between", ("between",)),
    ("closest", ("closest", "nearest", "least distant")),
    ("farthest", ("farthest", "furthest", "most distant")),
    ("left", ("left",)),
    ("right", ("the right", "far right", "right of", "right side", "right hand", "its right", "your right")),
    ("beside", ("next to", "beside", "alongside", "adjacent to")),
    ("front", ("in front of",)),
    ("behind", ("behind",)),
    ("above", ("above", "higher up than")),
    ("turned_to", ("facing", "face", "faces", "turned", "oriented", "pointed", "looks", "looking", "look")),
    ("below", ("under", "underneath", "beneath", "below", "lower down than")),
    ("near", ("near", "close to", "by", "far from", "vicinity of")),
    ("carries", ("with", "has", "have", "hold", "holds", "holding")),
    ("at", ("at", "pulled up to", "drawn up to")),
    ("on", ("on", "atop", "on top of")),
    ("corner", ("in", "into", "where", "to", "from", "of", "against", "along", "with")),
)


def _kind(edge: Edge) -> str:
    """Return the kind of relation that an edge's words say, "" when they say none."""
    text = f" {edge.relation} "
    if {"the", "of"} >= set(edge.relation.split()):
        return ""
    sign = "not " if " not " in text and "far from" not in text else ""
    for kind, phrases in _RULES:
        if any(f" {phrase} " in text for phrase in phrases):
            return sign + kind
    return ""
