"""Words of referring sentences and what each can be: the tags that the rule parser works on.

The lists are data (`tables/words.txt`, and the nouns of `nouns.py`). A word can have several tags ("light" is a noun, a
shade and a weight); which one holds is decided by the words around it, in `chunks.py`.
"""

from dataclasses import dataclass
from functools import lru_cache

from saymask.text.scene_graph.nouns import TABLES, names, singular

_SENTENCE_END = ".;!?"
_SOFT = ",()[]"
EDGES = ".,;:!?\"'`()[]*"
"""Punctuation that may stick to a word and is no part of it."""


class Tag:
    """Tags of a word: bits of an int (a plain one, because an IntFlag's `&` takes most of the parser's time)."""

    UNKNOWN = 0

    DET = 1 << 0
    PREDET = 1 << 1
    NUM = 1 << 2
    ADJ = 1 << 3
    COLOR = 1 << 4
    MATERIAL = 1 << 5
    NEAR = 1 << 6  # closest, farthest, ...: "closest to the door" is a relation
    ADV = 1 << 7
    NOUN = 1 << 8
    PART = 1 << 9  # leg, handle: "with four legs" is an attribute
    SHAPING = 1 << 10  # color, shape: "brown in color" is an attribute
    RELNOUN = 1 << 11  # left, top: "on the left of the desk" is a relation
    DIRECTION = 1 << 12
    GENERIC = 1 << 13
    MEASURE = 1 << 14
    PREP = 1 << 15
    BE = 1 << 16
    AUX = 1 << 17
    REST = 1 << 18  # sits, located: says that a place follows
    POSSESS = 1 << 19
    RELVERB = 1 << 20  # facing, hanging: part of a relation
    SEEK = 1 << 21
    VIEW = 1 << 22
    WHEN = 1 << 23
    PRON = 1 << 24
    SPEAKER = 1 << 25
    POSSESSIVE = 1 << 26
    CONJ = 1 << 27
    COMMA = 1 << 28
    STOP = 1 << 29
    RELATIVE = 1 << 30
    NOT = 1 << 31
    MADE = 1 << 32
    HOLDER = 1 << 33  # bottle, box: "bottle of water" is one name
    PARTICLE = 1 << 34  # never part of a name
    PLACE = 1 << 35  # corner, room, wall: seldom what is described further
    VERB = BE | AUX | REST | POSSESS | RELVERB | SEEK | VIEW
    FINITE = BE | AUX | REST | POSSESS | RELVERB


# Sections of words.txt and the tags that they give.
_SECTIONS: dict[str, int] = {
    "color": Tag.ADJ | Tag.COLOR,
    "material": Tag.ADJ | Tag.MATERIAL,
    "shape": Tag.ADJ,
    "size": Tag.ADJ,
    "rank": Tag.ADJ,
    "nearness": Tag.ADJ | Tag.NEAR,
    "state": Tag.ADJ,
    "determiner": Tag.DET,
    "quantifier": Tag.PREDET,
    "number": Tag.NUM,
    "adverb": Tag.ADV,
    "place noun": Tag.NOUN,
    "part": Tag.NOUN | Tag.PART,
    "shaping": Tag.NOUN | Tag.SHAPING,
    "relation noun": Tag.NOUN | Tag.RELNOUN,
    "direction": Tag.NOUN | Tag.DIRECTION,
    "generic": Tag.NOUN | Tag.GENERIC,
    "measure": Tag.NOUN | Tag.MEASURE,
    "holder": Tag.NOUN | Tag.HOLDER,
    "preposition": Tag.PREP,
    "be": Tag.BE,
    "auxiliary": Tag.AUX,
    "rest": Tag.REST,
    "possess": Tag.POSSESS,
    "relation verb": Tag.RELVERB,
    "seek": Tag.SEEK,
    "view verb": Tag.VIEW,
    "view start": Tag.WHEN,
    "pronoun": Tag.PRON,
    "speaker": Tag.SPEAKER,
    "possessive": Tag.DET | Tag.POSSESSIVE,
    "conjunction": Tag.CONJ,
    "relative": Tag.RELATIVE,
    "negation": Tag.NOT,
    "made": Tag.MADE,
    "particle": Tag.PARTICLE,
    "pronoun and verb": Tag.PRON | Tag.BE,
    "relative and verb": Tag.RELATIVE | Tag.BE,
}


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The tags of every known word, and the names of several words by their first word."""

    tags: dict[str, int]
    phrases: dict[str, tuple[tuple[str, ...], ...]]
    """First word in basic form: the names that begin with it, longest first, all words in basic form."""

    def look_up(self, word: str) -> int:
        """Return what `word` (lower case) can be; no tag at all for a word that is not known."""
        tag = self.tags.get(word)
        if tag is not None:
            return tag
        if word[:1].isdigit():
            return Tag.NUM if word.isdigit() else Tag.ADJ  # "2" or "3-tier"
        base = singular(word)
        if base != word and (tag := self.tags.get(base, Tag.UNKNOWN)) & Tag.NOUN:
            return tag & _NOUN_TAGS
        if "'" in word:
            return self.tags.get(word.partition("'")[0], 0) & (Tag.PRON | Tag.SPEAKER)  # "you'd"
        if word.endswith("is") and self.tags.get(word[:-2], Tag.UNKNOWN) & Tag.NOUN:
            return Tag.NOUN  # "desk's" after the official clean-up
        if "-" in word:
            return self._hyphened(word)
        return Tag.UNKNOWN

    def _hyphened(self, word: str) -> int:
        last = self.look_up(word.rpartition("-")[2])
        if last & Tag.ADJ or word.endswith(("ed", "-like", "-style", "-size", "-tier", "-seater", "-drawer")):
            return Tag.ADJ
        return last & _NOUN_TAGS


_SURFACES = ("wall", "floor", "ceiling")
_NOUN_TAGS = (
    Tag.PLACE | Tag.NOUN | Tag.PART | Tag.SHAPING | Tag.RELNOUN | Tag.DIRECTION | Tag.GENERIC | Tag.MEASURE | Tag.HOLDER
)


@dataclass(frozen=True, slots=True)
class Word:
    """A white-space word of the utterance."""

    text: str
    """Lower case, without punctuation that sticks to it."""
    tag: int
    stop: bool = False
    """Whether a sentence ends with it ("table.")."""
    comma: bool = False
    """Whether a comma sticks to it."""


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """Return the words of our tables, read once."""
    tags: dict[str, int] = {}
    for section, words in _sections().items():
        for word in words:
            tags[word] = tags.get(word, Tag.UNKNOWN) | _SECTIONS[section]
    phrases: dict[str, set[tuple[str, ...]]] = {}
    for name in names("objects") | names("scenes"):
        parts = tuple(singular(word) for word in name.split())
        if len(parts) == 1:
            for word in (name, parts[0]):
                tags[word] = tags.get(word, Tag.UNKNOWN) | Tag.NOUN
        else:
            phrases.setdefault(parts[0], set()).add(parts)
    for word in (names("scenes") - names("objects")).union(_SURFACES):
        if word in tags:
            tags[word] |= Tag.PLACE
    for word in list(tags):
        base = singular(word)
        if base != word and tags.get(base, Tag.UNKNOWN) & Tag.NOUN:
            tags[word] |= tags[base] & _NOUN_TAGS  # "stands" is a verb and several stands
    longest_first = {first: tuple(sorted(found, key=lambda p: (-len(p), p))) for first, found in phrases.items()}
    return Lexicon(tags, longest_first)


def _sections() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in (TABLES / "words.txt").read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("["):
            current = found.setdefault(text.strip("[]"), [])
        else:
            current += text.split()
    return found


def read_words(utterance: str) -> list[Word]:
    """Return the white-space words of `utterance` with their tags; one `Word` for each, so numbers stay the same."""
    book = lexicon()
    words = []
    for raw in utterance.split():
        text = raw.lower().replace("’", "'").strip(EDGES)
        if not text:
            stop, comma = any(c in _SENTENCE_END for c in raw), any(c in _SOFT for c in raw)
            words.append(Word(raw, Tag.STOP if stop else Tag.COMMA if comma else Tag.UNKNOWN))
            continue
        tail = raw[-1]
        words.append(Word(text, book.look_up(text), tail in _SENTENCE_END, tail in _SOFT))
    return words
