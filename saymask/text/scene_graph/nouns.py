"""Our own noun lists: names of things in rooms, nouns for places, and English plurals.

The lists are data files in `tables/`: class names of the ScanNet benchmarks and common English names. They are not the
official lists (docs/systems/bqnet.md §2.4), whose licences do not let them be shipped; those, or any others, are read
by `saymask.text.scene_graph.vocabulary.load_vocabulary`.
"""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from saymask.text.scene_graph.vocabulary import Vocabulary

TABLES = Path(__file__).parent / "tables"

_IRREGULAR = {
    "shelves": "shelf", "bookshelves": "bookshelf", "knives": "knife", "loaves": "loaf", "leaves": "leaf",
    "halves": "half", "scarves": "scarf", "mice": "mouse", "people": "person", "men": "man", "women": "woman",
    "children": "child", "feet": "foot", "teeth": "tooth", "geese": "goose", "axes": "axe", "series": "series",
    "buses": "bus", "gases": "gas", "vases": "vase", "cases": "case", "bookcases": "bookcase",
    "suitcases": "suitcase", "briefcases": "briefcase", "pillowcases": "pillowcase", "staircases": "staircase",
    "bases": "base", "hoses": "hose", "nooses": "noose", "houses": "house", "purses": "purse", "blouses": "blouse",
    "cheeses": "cheese", "horses": "horse", "roses": "rose", "phrases": "phrase", "exercises": "exercise",
    "mazes": "maze", "sizes": "size", "movies": "movie", "cookies": "cookie", "ties": "tie",
    "pies": "pie", "selfies": "selfie", "hoodies": "hoodie", "plushies": "plushie", "brownies": "brownie",
    "toes": "toe", "shoes": "shoe", "canoes": "canoe", "caches": "cache", "headaches": "headache",
    "microphones": "microphone",
}  # fmt: skip
# Written with a final s whether there is one or there are many.
_UNCHANGED = frozenset(
    ("blinds", "drapes", "stairs", "headphones", "earphones", "glasses", "sunglasses", "scissors", "pants", "jeans",
     "shorts", "clothes", "utensils", "supplies", "premises", "lens", "canvas", "atlas", "yes", "across", "towards",
     "besides", "sometimes", "always", "perhaps", "bellows", "pliers", "tongs", "binoculars", "news")
)  # fmt: skip
_ES = ("sses", "shes", "ches", "xes", "zes")


@lru_cache(maxsize=16384)
def singular(word: str) -> str:
    """Return the basic form of an English noun, lower case: "shelves" gives "shelf", "boxes" "box", "stairs" "stairs".

    A word that is no plural comes back as it is. Rules first look at the irregular and the unchanging ones.
    """
    word = word.lower()
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return "tv" if word == "tvs" else word
    if word in _UNCHANGED:
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(_ES):
        return word[:-2]
    if word.endswith("oes"):
        return word[:-2]
    return word[:-1]


def lemma(words: Iterable[str]) -> str:
    """Return the basic form of a name of one or more words, each word in its basic form: "coffee tables"."""
    return " ".join(singular(word) for word in words)


@lru_cache(maxsize=8)
def names(table: str) -> frozenset[str]:
    """Return the names of a list in `tables/` ("objects" or "scenes"): separated by commas, comments after "#"."""
    found: set[str] = set()
    for line in (TABLES / f"{table}.txt").read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0]
        found.update(name.strip() for name in text.split(",") if name.strip())
    return frozenset(found)


@lru_cache(maxsize=1)
def default_vocabulary() -> Vocabulary:
    """Return our own lists as a vocabulary; parsers use it when no other is given.

    Names come as they are listed and in basic form, because parsers look up lemmas ("blinds" stays, "drawers" is found
    as "drawer"). Names of one word also count as the last word of a longer name ("swivel chair").
    """
    objects = names("objects")
    both = objects | {lemma(name.split()) for name in objects}
    return Vocabulary(
        objects=frozenset(both),
        object_nouns=frozenset(name for name in both if " " not in name),
        scene_nouns=names("scenes") - objects,
    )
