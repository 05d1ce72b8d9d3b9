"""Grammar from programs to English sentences; its choices are drawn at random.

Every modifier of a program can be said in front of the noun ("red"), behind it ("next to the desk") or as a clause of
its own ("it is next to the desk"); anchors are noun phrases of the same grammar, so descriptions nest. The style is
ScanRefer's: lower case, one to three clauses, "this is a ...", "there is a ...", "the ... is ...".

Some phrasings are held out: they are only ever said when `held` is true (the compositional part of the val split).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from saymask.rooms.language.programs import Program, modifiers
from saymask.rooms.language.words import COLOR_WORDS, MATERIALS, SHAPES, noun

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth")
_TOKEN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*|'[a-z]+|[^\sa-z0-9]")

Pool = tuple[tuple[str, ...], tuple[str, ...]]  # (said anywhere, held out); {a} and {b} are anchors
_PLACED: dict[str, Pool] = {
    "beside": (("next to {a}", "beside {a}", "right next to {a}", "right beside {a}"),
               ("alongside {a}", "adjacent to {a}")),
    "near": (("near {a}", "close to {a}", "by {a}"), ("not far from {a}", "in the vicinity of {a}")),
    "at": (("at {a}", "at {a}", "pulled up to {a}"), ("drawn up to {a}", "set up at {a}")),
    "on": (("on {a}", "on top of {a}", "on {a}"), ("resting on {a}", "atop {a}")),
    "under": (("under {a}", "underneath {a}"), ("beneath {a}",)),
    "above": (("above {a}", "above {a}", "right above {a}"), ("higher up than {a}", "somewhere above {a}")),
    "below": (("below {a}", "underneath {a}", "under {a}"), ("beneath {a}", "lower down than {a}")),
    "turned_to": (("facing {a}", "turned towards {a}", "facing towards {a}"),
                  ("oriented toward {a}", "pointed at {a}")),
    "front": (("in front of {a}", "in front of {a}", "directly in front of {a}"), ("out in front of {a}",)),
    "behind": (("behind {a}", "right behind {a}"), ("just behind {a}",)),
    "corner": (("in the corner of the room", "in the corner", "in a corner of the room", "at the corner of the room"),
               ("tucked into a corner of the room", "where two walls meet")),
    "wall": (("against the wall", "against a wall", "along the wall", "up against the wall"),
             ("pushed up to the wall", "lined up with the wall")),
    "hung": (("on the wall", "hanging on the wall"), ("mounted on the wall", "attached to the wall")),
    "ceiling": (("on the ceiling", "hanging from the ceiling"), ("suspended from the ceiling",)),
    "floor": (("on the floor", "standing on the floor"), ("directly on the ground",)),
    "middle": (("in the middle of the room", "in the center of the room"), ("in the central area of the room",)),
    "between": (("between {a} and {b}", "in between {a} and {b}"), ("sandwiched between {a} and {b}",)),
    "between two": (("between {a}", "in between {a}"), ("sandwiched between {a}",)),
}  # fmt: skip
_SIDE: Pool = (
    ("to the {side} of {a}", "on the {side} side of {a}", "{side} of {a}"),
    ("on the {side} hand side of {a}", "off to the {side} of {a}"),
)
_VIEWS: dict[str, Pool] = {
    "facing": (("when facing {c}", "when you are facing {c}", "if you are facing {c}", "when you face {c}",
                "when looking at {c}"),
               ("from the view of someone facing {c}", "as one looks at {c}")),
    "own": (("when sitting on it", "when you are sitting on it", "if you sit on it"),
            ("from the point of view of someone seated on it",)),
    "door": (("when entering the room", "when you enter the room", "when coming in through the door",
              "when you walk in through the door"),
             ("as one steps in from the doorway",)),
    "wall": (("when facing them", "when facing the wall they hang on", "when looking at that wall"),
             ("from the view of someone facing that wall",)),
}  # fmt: skip
_SUPERLATIVE: dict[tuple[str, bool], Pool] = {
    ("size", True): (("largest", "biggest"), ("most sizable",)),
    ("size", False): (("smallest",), ("tiniest",)),
    ("height", True): (("tallest",), ("most towering",)),
    ("height", False): (("shortest",), ("least tall",)),
    ("length", True): (("longest",), ("most elongated",)),
    ("length", False): (("least long",), ("least long",)),
    ("altitude", True): (("highest",), ("uppermost",)),
    ("altitude", False): (("lowest",), ("lowermost",)),
}
_SIZES: dict[str, tuple[str, ...]] = {
    "large": ("large", "big"), "small": ("small", "little"), "tall": ("tall",), "low": ("low",), "long": ("long",),
}  # fmt: skip
# Phrases of place that bring their own verb: "is standing", never "stands standing".
_OWN_VERB = ("standing", "hanging", "facing", "turned", "pulled", "resting", "tucked", "pushed", "mounted", "attached",
             "suspended", "lined", "drawn", "set up", "oriented", "pointed", "sandwiched")  # fmt: skip
# What a thing does where it is, by how it is mounted.
_VERBS: dict[str, tuple[str, ...]] = {
    "hangs": ("hangs", "is", "is located", "is"),
    "stands": ("is", "is", "is located", "stands", "is placed"),
    "lies": ("is", "is", "sits", "is placed", "is located"),
    "is": ("is", "is", "is located"),
}
Posture = Literal["hangs", "stands", "lies", "is"]


@dataclass(frozen=True)
class Sentence:
    """A sentence, and whether one of the held-out phrasings is in it."""

    text: str
    held: bool


def tokenize(text: str) -> list[str]:
    """Return ScanRefer-like tokens: lower case, punctuation apart; tokenising the joined tokens gives them again."""
    return _TOKEN.findall(text.lower())


def article(phrase: str) -> str:
    """Return `phrase` behind "a" or "an", as its first word sounds."""
    vowel = phrase[:1] in "aeio" or (phrase.startswith(("l-", "u")) and not phrase.startswith(("us", "uni", "ur")))
    return f"{'an' if vowel and not phrase.startswith('one') else 'a'} {phrase}"


class Speaker:
    """Says programs; one speaker says one description, so that it stays with one word for its target."""

    def __init__(self, rng: np.random.RandomState, *, held: bool = False, posture: "Posture" = "is"):
        self.rng = rng
        self.held = held
        self.verbs = _VERBS[posture]
        self.used_held = False
        self.said: dict[tuple, str] = {}

    def pick(self, seen: Sequence[str], held: Sequence[str] = ()) -> str:
        """Draw a phrasing; held-out ones only when this speaker may use them."""
        if self.held and held and self.rng.random_sample() < 0.8:
            self.used_held = True
            return held[self.rng.randint(len(held))]
        return seen[self.rng.randint(len(seen))]

    def chance(self, p: float) -> bool:
        """Draw true with probability p."""
        return bool(self.rng.random_sample() < p)

    def word(self, program: Program, plural: bool) -> str:
        """Draw a word for the noun of a class program."""
        entry = noun(program["name"])
        words = entry.plural if plural else entry.singular
        return words[0] if self.chance(0.6) else words[self.rng.randint(len(words))]

    # --- noun phrases -------------------------------------------------------------------------------------------

    def adjective(self, op: Program) -> str:
        """Say a positive filter or a superlative in front of the noun."""
        key = tuple((name, value) for name, value in sorted(op.items()) if isinstance(value, (str, bool)))
        if key not in self.said:  # a speaker stays with "gray" or with "grey"
            self.said[key] = self._adjective(op)
        return self.said[key]

    def _adjective(self, op: Program) -> str:
        if op["op"] == "superlative":
            return self.pick(*_SUPERLATIVE[op["by"], op["most"]])
        if "color" in op:
            return self.pick(COLOR_WORDS.get(op["color"], (op["color"],)))
        if "material" in op:
            return self.pick(MATERIALS[op["material"]][0])
        if "shape" in op:
            return self.pick(SHAPES[op["shape"]])
        return self.pick(_SIZES[op["size"]])

    def adjectives(self, ops: Sequence[Program]) -> list[str]:
        """Say filters and superlatives in English order: superlative, size, shape, colour, material."""
        rank = {"superlative": 0, "size": 1, "shape": 2, "color": 3, "material": 4}
        order = sorted(ops, key=lambda op: next(r for key, r in rank.items() if key in op or op["op"] == key))
        return [self.adjective(op) for op in order]

    def anchor(self, program: Program, which: str | int = "the") -> str:
        """Say an anchor: "the brown desk by the window", "a lamp", "two pillows"."""
        core, chain = modifiers(program)
        if core["op"] == "union":
            return " and ".join(self.anchor(part) for part in core["of"])
        number = next((op["n"] for op in chain if op["op"] == "count"), which)
        plural = isinstance(number, int) and number > 1
        front = [op for op in chain if is_adjective(op) or op["op"] == "superlative"]
        words = [*self.adjectives(front), self.word(core, plural)]
        behind = [self.behind(op, plural, nested=True) for op in chain if op not in front and op["op"] != "count"]
        phrase = " ".join([*words, *behind])
        if isinstance(number, int):
            counted = f"{NUMBERS[number]} {phrase}" if number > 1 else f"one {phrase}" if self.chance(0.3) else ""
            definite = any(op["op"] == "count" for op in chain)
            return ("the " if definite else "") + (counted or article(phrase))
        return f"the {phrase}" if which == "the" else article(phrase)

    def view(self, view: Program, about: str = "") -> str:
        """Say a viewpoint; `about` is how the viewed thing is called when it has just been named ("it")."""
        text = self.pick(*_VIEWS[view["frame"]])
        return text.format(c=about or self.anchor(view["at"])) if view["frame"] == "facing" else text

    def behind(self, op: Program, plural: bool, nested: bool = False) -> str:
        """Say a modifier behind the noun: "next to the desk", "closest to the door", "that is not red"."""
        are = "are" if plural else "is"
        if op.get("not") or op["op"] == "filter":
            return f"that {self.predicate(op, plural)}"
        if op["op"] == "relate" and op["rel"] == "carries":
            it, have = ("them", "have") if plural else ("it", "has")
            anchor = self.anchor(op["to"], op["which"])
            seen = (f"with {anchor} on {it}", f"with {anchor} on top of {it}", f"that {have} {anchor} on {it}")
            return self.pick(seen, (f"holding {anchor}",))
        if op["op"] in ("closest", "farthest"):
            return self.distance(op)
        text = self.where(op)
        return f"that {are} {text}" if nested or self.chance(0.3) else text

    def distance(self, op: Program) -> str:
        """Say closest or farthest without a noun: "closest to the door"."""
        near: Pool = (("closest to {a}", "nearest to {a}", "closest to {a}"), ("least distant from {a}",))
        far: Pool = (("farthest from {a}", "furthest from {a}", "farthest away from {a}"), ("most distant from {a}",))
        return self.pick(*(near if op["op"] == "closest" else far)).format(a=self.anchor(op["to"]))

    def where(self, op: Program) -> str:
        """Say a relation or place as a phrase: "next to the desk", "to the left of the bed when facing it"."""
        if op["op"] == "place":
            return self.pick(*_PLACED[op["where"]])
        if op["op"] == "between":
            if "and" not in op:
                return self.pick(*_PLACED["between two"]).format(a=self.anchor(op["to"]))
            return self.pick(*_PLACED["between"]).format(a=self.anchor(op["to"]), b=self.anchor(op["and"]))
        anchor = self.anchor(op["to"], op.get("which", "the"))
        if op["rel"] in ("left", "right"):
            side = self.pick(*_SIDE).format(side=op["rel"], a=anchor)
            return f"{side} {self.view(op['view'], self.about(op))}"
        return self.pick(*_PLACED[op["rel"]]).format(a=anchor)

    @staticmethod
    def about(op: Program) -> str:
        """Return "it" when the viewer of a left/right relation faces the anchor that was just named."""
        view = op["view"]
        return "it" if view["frame"] == "facing" and view["at"] == op["to"] else ""

    # --- clauses ------------------------------------------------------------------------------------------------

    def predicate(self, op: Program, plural: bool, base: str = "one") -> str:
        """Say a modifier as a verb phrase: "is next to the desk", "has a lamp on it", "is the closest one to ...".

        `base` is what the set is called inside "the closest ... to": "one", or "red chair".
        """
        be = "are" if plural else "is"
        if op["op"] == "filter":
            return self.looks(op, plural)
        if op["op"] == "superlative":
            return f"{be} the {self.adjective(op)} {base}"
        if op["op"] in ("closest", "farthest"):
            if self.chance(0.5) and not self.held:
                word = ("closest", "nearest") if op["op"] == "closest" else ("farthest", "furthest")
                to = "to" if op["op"] == "closest" else "from"
                return f"is the {self.pick(word)} {base} {to} {self.anchor(op['to'])}"
            return f"is the {base} {self.distance(op)}"
        if op["op"] == "ordinal":
            return f"is the {self.ordinal(op, base)}"
        if op.get("not"):
            return f"{be} not {self.where(op)}"
        if op["op"] == "relate" and op["rel"] == "carries":
            have = "have" if plural else "has"
            return self.pick(
                (f"{have} {{a}} on {'them' if plural else 'it'}", f"{have} {{a}} on top"),
                ("hold {a}",) if plural else ("holds {a}",),
            ).format(a=self.anchor(op["to"], op["which"]))
        where = self.where(op)
        verb = "are" if plural else self.pick(self.verbs)
        return f"{be if where.startswith(_OWN_VERB) else verb} {where}"

    def looks(self, op: Program, plural: bool) -> str:
        """Say a filter as a verb phrase: "is red", "is made of wood", "has a round shape"."""
        be = ("are" if plural else "is") + (" not" if op.get("not") else "")
        plain = self.adjective(op)
        if "color" in op:
            return f"{be} {plain}" + self.pick(("", "", " in color"), (" in hue", " colored"))
        if "material" in op:
            stuff = MATERIALS[op["material"]][1]
            return f"{be} " + self.pick((f"made of {stuff}", f"made out of {stuff}"), (f"built from {stuff}",))
        if "shape" in op:
            return f"{be} {plain}" + ("" if "shaped" in plain else self.pick(("", " in shape"), (" in outline",)))
        return f"{be} {plain}"

    def ordinal(self, op: Program, base: str) -> str:
        """Say "second chair from the left when facing the desk" (without an article)."""
        return f"{self.rank(op, base)} {self.view(op['view'])}"

    def rank(self, op: Program, base: str) -> str:
        """Say "second chair from the left" (without an article)."""
        n, side = op["n"], op["side"]
        if n == 1:
            return self.pick((f"{side}most {base}", f"{base} on the far {side}", f"first {base} from the {side}"),
                             (f"{base} farthest to the {side}",))  # fmt: skip
        return self.pick((f"{ORDINALS[n]} {base} from the {side}",), (f"{base} number {NUMBERS[n]} from the {side}",))

    def lead(self, op: Program, subject: str, base: str, plural: bool) -> str | None:
        """Say the viewpoint first: "when facing the desk, it is on the left"; None for a modifier without one."""
        be = "are" if plural else "is"
        if op["op"] == "ordinal" and op["view"]["frame"] != "wall":
            view = self.view(op["view"])
            return f"{view}, {subject} {be} the {self.rank(op, base)}"
        if op["op"] == "relate" and op["rel"] in ("left", "right"):
            if self.about(op):
                view = self.view({"frame": "facing", "at": op["to"]})
                side = self.pick(("on the {s}", "on your {s}", "to its {s}", "to the {s} of it"), ("off to its {s}",))
                return f"{view}, {subject} {be} {side.format(s=op['rel'])}"
            if op["view"]["frame"] != "own":
                side = self.pick(*_SIDE).format(side=op["rel"], a=self.anchor(op["to"], op.get("which", "the")))
                return f"{self.view(op['view'])}, {subject} {be} {side}"
        return None


def is_adjective(op: Program) -> bool:
    """Return whether the op can be said in front of the noun without changing what other ops mean."""
    return op["op"] == "filter" and not op.get("not")


def is_choice(op: Program) -> bool:
    """Return whether the op picks one thing out of a set (closest, largest, second from the left)."""
    return op["op"] in ("closest", "farthest", "superlative", "ordinal")


def say(
    program: Program, rng: np.random.RandomState, *, number: int = 1, held: bool = False, posture: Posture = "is"
) -> Sentence:
    """Draw a description of the things that `program` is true of.

    `number`: how many they are (0 is said like 1); `posture`: the verb that fits the target; `held`: held-out
    phrasings may be used. The choices come from `rng` alone.
    """
    speaker = Speaker(rng, held=held, posture=posture)
    core, chain = modifiers(program)
    if core["op"] == "union":
        text = _say_union(speaker, core, chain)
    elif number > 1 or any(op["op"] == "count" for op in chain):
        text = _say_many(speaker, core, chain, number)
    else:
        text = _say_one(speaker, core, chain)
    return Sentence(text, speaker.used_held)


def _say_one(speaker: Speaker, core: Program, chain: list[Program]) -> str:
    word = speaker.word(core, False)
    adjectives = [op for op in chain if is_adjective(op)]
    choice = next((op for op in chain if is_choice(op)), None)
    inner = [op for op in chain[: chain.index(choice)] if is_adjective(op)] if choice else []
    rest = [op for op in chain if not is_adjective(op) and op is not choice]
    # Adjectives that the choice was made among stay with the noun; one of the others may get its own clause.
    free = [op for op in adjectives if op not in inner and "size" not in op]
    apart: list[Program] = []
    if free and (len(adjectives) > 2 or speaker.chance(0.3)):
        apart = [free[speaker.rng.randint(len(free))]]
    front = [op for op in adjectives if op not in apart]
    clauses = rest + apart
    if len(clauses) > 1:
        clauses = [clauses[i] for i in speaker.rng.permutation(len(clauses))]
    # "one" is the phrase that was just said, so the adjectives need not be repeated.
    base = "one" if speaker.chance(0.6) else " ".join([*speaker.adjectives(inner), word])
    opener = speaker.rng.random_sample()
    words = [*speaker.adjectives(front), word]
    phrase, definite = " ".join(words), False
    if choice is not None and speaker.chance(0.55):
        phrase, definite = _with_choice(speaker, choice, front, word), True
        choice = None
    elif clauses and speaker.chance(0.35):
        first = next((op for op in clauses if not is_adjective(op)), None)
        if first is not None:
            clauses = [op for op in clauses if op is not first]
            phrase = f"{phrase} {speaker.behind(first, False)}"
    if choice is not None:
        clauses = [choice, *clauses] if speaker.chance(0.6) else [*clauses, choice]
    a_phrase = f"the {phrase}" if definite else article(phrase)
    if opener < 0.3 and clauses and phrase == " ".join(words):  # "the chair is next to the desk"
        head, clauses = clauses[0], clauses[1:]
        led = speaker.lead(head, f"the {phrase}", base, False) if speaker.chance(0.5) else None
        sentences = [led or f"the {phrase} {speaker.predicate(head, False, base)}"]
    elif opener < 0.58:
        sentences = [speaker.pick(("this is {}", "this is {}", "it is {}"), ("what we see is {}",)).format(a_phrase)]
    elif opener < 0.76 and not definite:
        sentences = [speaker.pick(("there is {}", "there is {}", "there's {}"), ("the room has {}",)).format(a_phrase)]
    elif opener < 0.9:
        sentences = [a_phrase if speaker.chance(0.5) else f"the {phrase}"]
    else:
        sentences = [
            speaker.pick(("find the {}", "choose the {}", "look for the {}", "select the {}",
                          "you are looking for the {}"), ("point out the {}", "locate the {}")).format(phrase)
        ]  # fmt: skip
    return _join(speaker, sentences, clauses, word, base, False)


def _with_choice(speaker: Speaker, choice: Program, front: list[Program], word: str) -> str:
    words = " ".join([*speaker.adjectives(front), word])
    if choice["op"] == "superlative":
        return " ".join([*speaker.adjectives([*front, choice]), word])
    if choice["op"] == "ordinal":
        return speaker.ordinal(choice, words)
    if speaker.chance(0.4) and not speaker.held:
        closest = choice["op"] == "closest"
        pair = ("closest", "nearest") if closest else ("farthest", "furthest")
        return f"{speaker.pick(pair)} {words} {'to' if closest else 'from'} {speaker.anchor(choice['to'])}"
    return f"{words} {'that is ' if speaker.chance(0.3) else ''}{speaker.distance(choice)}"


def _join(speaker: Speaker, sentences: list[str], clauses: list[Program], word: str, base: str, plural: bool) -> str:
    pronoun = "they" if plural else "it"
    while clauses:
        op, clauses = clauses[0], clauses[1:]
        subject = f"the {word}" if speaker.chance(0.2) else pronoun
        led = speaker.lead(op, subject, base, plural) if speaker.chance(0.4) else None
        text = led or f"{subject} {speaker.predicate(op, plural, base)}"
        if not led and clauses and speaker.chance(0.45):
            text += f" and {speaker.predicate(clauses[0], plural, base)}"
            clauses = clauses[1:]
        sentences.append(text)
    text = ". ".join(sentences)
    return text if speaker.chance(0.08) else text + "."


def _say_many(speaker: Speaker, core: Program, chain: list[Program], number: int) -> str:
    word = speaker.word(core, True)
    counted = any(op["op"] == "count" for op in chain)
    front = [op for op in chain if is_adjective(op)]
    rest = [op for op in chain if not is_adjective(op) and op["op"] != "count"]
    phrase = " ".join([*speaker.adjectives(front), word])
    if rest and speaker.chance(0.6):
        phrase, rest = f"{phrase} {speaker.behind(rest[0], True)}", rest[1:]
    if counted:
        many = [f"the {NUMBERS[number]} {phrase}"]
        if number == 2 and phrase == word:
            many.append(f"both of the {phrase}")
        whole = speaker.pick(many, (f"the group of {NUMBERS[number]} {phrase}",))
        seen = [f"{opener}{whole}" for opener in ("", "", "these are ", "find ")]
        sentence = speaker.pick([*seen, f"there are {NUMBERS[number]} {phrase}"], (f"point out {whole}",))
    else:
        whole = speaker.pick((f"all the {phrase}", f"all of the {phrase}", f"the {phrase}"), (f"any of the {phrase}",))
        sentence = speaker.pick(("{}", "{}", "find {}", "these are {}", "select {}"), ("point out {}",)).format(whole)
    return _join(speaker, [sentence], rest, word, "ones", True)


def _say_union(speaker: Speaker, core: Program, chain: list[Program]) -> str:
    whole = " and ".join(speaker.anchor(part) for part in core["of"])
    sentence = speaker.pick(("{}", "find {}", "these are {}", "select {}"), ("point out {}",)).format(whole)
    return _join(speaker, [sentence], [op for op in chain if op["op"] != "count"], "two", "ones", True)
