"""The words of the room sentences: nouns with the categories a listener takes them for, attributes, held-out pairs.

A noun is a *set of categories*: whoever hears "chair" looks at office chairs and armchairs too, so "the chair" can
only be true of one thing when no other thing of the whole set is in the room. The broadest noun of a thing is its
`head`; things of one head are siblings, the distractors of each other.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Noun:
    """A noun of the sentences, the categories it covers, and how it is said."""

    name: str  # the key used in programs
    singular: tuple[str, ...]  # first = most common
    plural: tuple[str, ...]
    categories: frozenset[str]
    head: str  # name of the broadest noun over these categories


COLORS = ("white", "grey", "black", "brown", "red", "orange", "yellow", "green", "blue", "purple", "pink", "beige")
COLOR_WORDS = {"grey": ("gray", "grey")}
# Two names for what may be one colour: neither surely true nor surely false of a thing of the other name.
COLOR_NEIGHBOURS = frozenset(
    frozenset(pair)
    for pair in [
        ("beige", "white"), ("beige", "brown"), ("beige", "yellow"), ("orange", "brown"), ("orange", "red"),
        ("orange", "yellow"), ("orange", "beige"), ("pink", "red"), ("pink", "purple"), ("blue", "purple"),
        ("pink", "beige"), ("red", "brown"),
    ]
)  # fmt: skip
# material -> (adjectives, "made of ..." words)
MATERIALS: dict[str, tuple[tuple[str, ...], str]] = {
    "wood": (("wooden", "wood"), "wood"),
    "metal": (("metal", "metallic"), "metal"),
    "plastic": (("plastic",), "plastic"),
    "fabric": (("fabric", "cloth"), "fabric"),
    "leather": (("leather",), "leather"),
    "glass": (("glass",), "glass"),
    "ceramic": (("ceramic", "porcelain"), "ceramic"),
    "stone": (("stone",), "stone"),
    "marble": (("marble",), "marble"),
    "wicker": (("wicker",), "wicker"),
    "cardboard": (("cardboard",), "cardboard"),
    "paper": (("cardboard",), "cardboard"),  # said of boxes only
}
# Of which heads a material is worth saying: a towel is fabric anyway.
_BIG = frozenset(
    [
        "table",
        "desk",
        "cabinet",
        "shelf",
        "chair",
        "stool",
        "bench",
        "dresser",
        "wardrobe",
        "nightstand",
        "door",
        "bed",
        "tv stand",
        "counter",
        "box",
        "stand",
        "cart",
        "closet",
        "picture",
    ]
)
MATERIAL_HEADS: dict[str, frozenset[str]] = {
    "wood": _BIG,
    "metal": _BIG | {"trash can", "bin", "lamp", "sink", "refrigerator", "basket", "bucket", "rail"},
    "plastic": frozenset(
        ["chair", "stool", "box", "bin", "trash can", "basket", "bucket", "table", "container", "shelf"]
    ),
    "fabric": frozenset({"chair", "couch", "ottoman", "bench", "stool", "basket", "lamp", "suitcase"}),
    "leather": frozenset({"chair", "couch", "ottoman", "bench", "stool", "bag", "suitcase"}),
    "glass": frozenset({"table", "desk", "door", "shower", "bottle", "cabinet", "shelf"}),
    "ceramic": frozenset({"toilet", "sink", "bathtub", "cup", "plate", "bowl"}),
    "stone": frozenset({"counter", "table", "fireplace", "column", "sink"}),
    "marble": frozenset({"counter", "table", "fireplace", "column", "sink"}),
    "wicker": frozenset({"basket", "chair"}),
    "paper": frozenset({"box"}),
    "cardboard": frozenset({"box"}),
}
MATERIAL_NEIGHBOURS = frozenset(
    frozenset(pair)
    for pair in [
        ("fabric", "leather"), ("metal", "plastic"), ("ceramic", "stone"), ("ceramic", "plastic"), ("stone", "marble"),
        ("glass", "plastic"), ("wood", "wicker"), ("wood", "cardboard"), ("paper", "cardboard"), ("ceramic", "marble"),
    ]
)  # fmt: skip
SHAPES: dict[str, tuple[str, ...]] = {
    "round": ("round", "circular"),
    "square": ("square",),
    "rectangular": ("rectangular",),
    "l-shaped": ("l-shaped",),
    "oval": ("oval",),
}
SHAPE_NEIGHBOURS = frozenset({frozenset({"square", "rectangular"}), frozenset({"round", "oval"})})

# name: (categories beyond the name itself, ways to say it, head when it is not the name itself)
_TABLE: dict[str, tuple[str, str, str]] = {
    "chair": (
        "office chair, armchair, sofa chair, folded chair, folded chairs, rocking chair, recliner chair, desk chair, "
        "massage chair, dining chair, seat", "chair", ""),
    "office chair": ("desk chair", "office chair, desk chair, swivel chair", "chair"),
    "armchair": ("sofa chair, recliner chair", "armchair, sofa chair", "chair"),
    "dining chair": ("", "dining chair", "chair"),
    "folded chair": ("folded chairs", "folding chair", "chair"),
    "rocking chair": ("", "rocking chair", "chair"),
    "couch": ("sofa, sofa bed, love seat", "couch, sofa", ""),
    "table": (
        "coffee table, end table, dining table, side table, folded table, round table, conference table, kitchen table",
        "table", ""),
    "coffee table": ("", "coffee table", "table"),
    "dining table": ("kitchen table", "dining table", "table"),
    "end table": ("side table", "end table, side table", "table"),
    "conference table": ("", "conference table, meeting table", "table"),
    "desk": ("", "desk", ""),
    "cabinet": (
        "kitchen cabinet, kitchen cabinets, file cabinet, file cabinets, bathroom cabinet, bathroom vanity, cabinets, "
        "storage cabinet, medicine cabinet", "cabinet", ""),
    "kitchen cabinet": ("kitchen cabinets", "kitchen cabinet", "cabinet"),
    "file cabinet": ("file cabinets", "file cabinet, filing cabinet", "cabinet"),
    "bathroom cabinet": ("medicine cabinet", "bathroom cabinet", "cabinet"),
    "bathroom vanity": ("", "bathroom vanity, vanity", "cabinet"),
    "bed": ("mattress, bunk bed, loft bed", "bed", ""),
    "mattress": ("", "mattress", "bed"),
    "shelf": ("bookshelf, bookshelves, rack, shoe rack, wall shelf, shelves", "shelf", ""),
    "bookshelf": ("bookshelves", "bookshelf, bookcase", "shelf"),
    "rack": ("shoe rack", "rack", "shelf"),
    "wardrobe": ("wardrobe closet", "wardrobe", ""),
    "closet": ("", "closet", ""),
    "dresser": ("", "dresser, chest of drawers", ""),
    "nightstand": ("", "nightstand, night stand", ""),
    "tv stand": ("media center", "tv stand, tv console", ""),
    "counter": ("kitchen counter, bathroom counter", "counter", ""),
    "kitchen counter": ("", "kitchen counter", "counter"),
    "bathroom counter": ("", "bathroom counter", "counter"),
    "door": (
        "doorframe, closet door, shower door, bathroom stall door, sliding door, glass doors, doors, closet doors",
        "door", ""),
    "closet door": ("closet doors", "closet door", "door"),
    "shower door": ("", "shower door", "door"),
    "window": ("", "window", ""),
    "curtain": ("shower curtain, curtains", "curtain", ""),
    "shower curtain": ("", "shower curtain", "curtain"),
    "blinds": ("", "set of blinds", ""),
    "picture": ("poster, painting, pictures, photo", "picture", ""),
    "poster": ("", "poster", "picture"),
    "painting": ("", "painting", "picture"),
    "whiteboard": ("", "whiteboard, white board", "board"),
    "blackboard": ("", "blackboard, chalkboard", "board"),
    "bulletin board": ("", "bulletin board, notice board", "board"),
    "board": ("whiteboard, blackboard, bulletin board", "board", ""),
    "tv": ("television", "tv, television", ""),
    "monitor": ("computer monitor", "monitor, computer monitor, computer screen", ""),
    "computer tower": ("", "computer tower, computer case", ""),
    "laptop": ("", "laptop, laptop computer", ""),
    "keyboard": ("computer keyboard", "keyboard", ""),
    "mouse": ("", "computer mouse", ""),
    "lamp": ("table lamp, floor lamp, desk lamp", "lamp", ""),
    "floor lamp": ("", "floor lamp, standing lamp", "lamp"),
    "table lamp": ("desk lamp", "table lamp", "lamp"),
    "light": ("ceiling light, lamp, table lamp, floor lamp, desk lamp, ceiling lamp", "light", ""),
    "ceiling light": ("ceiling lamp", "ceiling light, ceiling lamp", "light"),
    "refrigerator": ("mini fridge, fridge", "refrigerator, fridge", ""),
    "mini fridge": ("", "mini fridge, small fridge", "refrigerator"),
    "stove": ("", "stove", ""),
    "sink": ("kitchen sink, bathroom sink", "sink", ""),
    "toilet": ("urinal", "toilet", ""),
    "bathtub": ("", "bathtub, bath tub", ""),
    "trash can": (
        "trash bin, recycling bin, garbage bin, wastebasket", "trash can, garbage can, waste bin, trash bin", ""),
    "recycling bin": ("", "recycling bin, recycle bin", "trash can"),
    "bin": ("trash can, trash bin, recycling bin, storage bin, garbage bin", "bin", ""),
    "storage bin": ("", "storage bin", "bin"),
    "box": ("cardboard box, boxes, crate, storage box, storage container", "box", ""),
    "crate": ("", "crate", "box"),
    "storage container": ("", "storage container", "box"),
    "basket": ("laundry basket, laundry hamper", "basket", ""),
    "laundry basket": ("laundry hamper", "laundry basket, laundry hamper", "basket"),
    "plant": ("potted plant", "plant, potted plant", ""),
    "bag": ("backpack, paper bag, purse, handbag, duffel bag", "bag", ""),
    "backpack": ("", "backpack, rucksack", "bag"),
    "paper bag": ("", "paper bag", "bag"),
    "purse": ("handbag", "purse, handbag", "bag"),
    "suitcase": ("luggage", "suitcase", ""),
    "bottle": ("water bottle", "bottle", ""),
    "water bottle": ("", "water bottle", "bottle"),
    "clock": ("alarm clock, wall clock", "clock", ""),
    "alarm clock": ("", "alarm clock", "clock"),
    "rug": ("mat, carpet, bath mat, doormat", "rug", ""),
    "mat": ("bath mat, doormat", "mat", "rug"),
    "ottoman": ("footstool", "ottoman, footstool", ""),
    "stool": ("bar stool, step stool", "stool", ""),
    "bench": ("", "bench", ""),
    "pillow": ("cushion", "pillow", ""),
    "cushion": ("", "cushion", "pillow"),
    "towel": ("towels", "towel", ""),
    "mirror": ("", "mirror", ""),
    "book": ("", "book", ""),
    "books": ("", "pile of books", "books"),
    "cup": ("mug, coffee mug", "cup, mug", ""),
    "clothes": ("", "pile of clothes", ""),
    "paper": ("papers", "sheet of paper", ""),
    "toilet paper": ("", "roll of toilet paper, toilet paper roll", ""),
    "headphones": ("", "pair of headphones", ""),
    "shoe": ("shoes", "shoe", ""),
    "shoes": ("", "pair of shoes", "shoe"),
    "stairs": ("", "flight of stairs", ""),
    "laundry detergent": ("", "bottle of laundry detergent", ""),
    "telephone": ("", "telephone, phone", ""),
    "bicycle": ("bike", "bicycle, bike", ""),
    "stuffed animal": ("", "stuffed animal, stuffed toy", ""),
    "radiator": ("", "radiator, heater", ""),
    "dishwasher": ("", "dishwasher", ""),
    "washing machine": ("washer", "washing machine, washer", ""),
    "clothes dryer": ("", "clothes dryer, dryer", ""),
    "coffee maker": ("", "coffee maker, coffee machine", ""),
    "computer": ("", "computer", ""),
    "copier": ("", "copier, copy machine", ""),
    "vacuum cleaner": ("", "vacuum cleaner, vacuum", ""),
    "piano": ("keyboard piano", "piano", ""),
    "stand": ("tv stand, music stand", "stand", ""),
    "music stand": ("", "music stand", "stand"),
    "container": ("storage container, storage bin, crate", "container", ""),
    "oven": ("toaster oven, stove", "oven", ""),
    "toaster oven": ("", "toaster oven", "oven"),
    "column": ("pillar", "column, pillar", ""),
    "paper towel roll": ("", "paper towel roll, roll of paper towels", ""),
    "dish rack": ("", "dish rack", ""),
    "guitar case": ("", "guitar case", ""),
}  # fmt: skip

# Nouns that one listener or another would use for each other's things; "there is no table here" is not fair to say
# when a desk is in sight. Used for zero-target sentences only.
CONFUSABLE: tuple[frozenset[str], ...] = tuple(
    frozenset(words.split(", "))
    for words in [
        "table, desk, nightstand, counter, bench, stand, tv stand, ottoman, stool, dresser, furniture",
        "cabinet, dresser, wardrobe, shelf, nightstand, tv stand, closet, storage organizer, drawer, furniture, bin, "
        "counter, desk",
        "couch, chair, bench, bed, ottoman, stool, seat, furniture, pillow",
        "monitor, tv, laptop, computer, projector screen, computer tower, picture, board, projector, machine",
        "curtain, blinds, window, projector screen, shower, divider",
        "picture, board, mirror, window, sign, calendar, tv, clock, decoration, paper, fire alarm",
        "lamp, light, fan, fire alarm, projector",
        "trash can, bin, basket, bucket, box, suitcase, container, bag, laundry basket, storage organizer, tray",
        "box, container, tissue box, bag, suitcase, crate, case of water bottles, cd case, mailbox, speaker, machine",
        "refrigerator, dishwasher, washing machine, clothes dryer, oven, stove, microwave, cabinet, machine, "
        "water cooler, toaster oven, copier, printer, water pitcher",
        "printer, copier, machine, scale, microwave, toaster, toaster oven, coffee maker, paper cutter, telephone",
        "towel, clothes, blanket, jacket, rug, toilet paper, paper towel roll, pillow, hat, bag, stuffed animal",
        "bottle, cup, bowl, plate, vase, soap dispenser, water pitcher, coffee kettle, soap dish, candle, tray, lamp, "
        "laundry detergent, plant, decoration",
        "book, paper, box, laptop, tray, keyboard, cd case, books, calendar, mouse",
        "door, window, closet, wardrobe, doorframe, bathroom stall, shower, cabinet",
        "plant, decoration, candle, stuffed animal, flowers",
        "sink, counter, bathtub, toilet, cabinet, bowl",
        "bathtub, shower, shower floor",
        "stairs, ladder, step stool, stool",
        "broom, ladder, plunger, dustpan, vacuum cleaner, coat rack, guitar, rail, pipe, column, pillar, umbrella",
        "ball, stuffed animal, hat, clock, decoration, fan",
        "soap dispenser, paper towel dispenser, toilet paper, toilet paper dispenser, toilet paper holder",
        "rail, handicap bar, pipe, rack, bar, radiator",
        "backpack, bag, suitcase, jacket, clothes, guitar case",
        "piano, desk, table, keyboard, guitar",
        "radiator, vent, air conditioner, rail",
        "shoe, clothes, bag",
        "power outlet, light switch, power strip, vent, fire alarm, sign",
    ]
)
NOT_NAMED = frozenset(
    {"wall", "floor", "ceiling", "object", "structure", "furniture", "machine", "window frame", "baseboard"}
)
# Traits by head, so that relations are said of things that can stand in them.
SEATS = frozenset({"chair", "couch", "stool", "bench", "ottoman"})
SURFACES = frozenset({"table", "desk", "counter"})
SITTABLE = frozenset({"chair", "couch", "bench", "toilet"})  # have their own left and right: "when sitting on it"
HANGING = frozenset(
    {"picture", "mirror", "clock", "tv", "curtain", "towel", "board", "calendar", "light", "jacket", "hat"}
)
# On walls, and yet big or plain enough that furniture is said to be next to it.
LANDMARKS = frozenset({"door", "window", "board", "tv", "curtain", "radiator", "mirror", "shelf", "cabinet", "blinds"})
LOOKING = frozenset({"chair", "couch", "tv", "toilet", "bed", "piano"})  # a front that is said to face something
WITH_ROOM_UNDER = frozenset({"table", "desk", "bed", "counter", "bench", "chair", "nightstand", "piano", "shelf"})
STANDING = frozenset(
    {"cabinet", "wardrobe", "shelf", "dresser", "lamp", "refrigerator", "plant", "chair", "closet", "stool"}
)
LYING = frozenset({"table", "desk", "couch", "bench", "counter", "rug", "cabinet", "shelf", "board", "bed"})

_IRREGULAR = {"shelf": "shelves", "bookshelf": "bookshelves", "mouse": "mice", "person": "people", "box": "boxes"}
_PARTITIVE = (" of blinds", " of books", " of clothes", " of paper", " of toilet paper", " of headphones", " of shoes",
              " of stairs", " of laundry detergent", " of drawers", " of paper towels")  # fmt: skip


def plural_of(word: str) -> str:
    """Return the plural of an English noun phrase whose last word (or the word before "of") is the head."""
    for tail in _PARTITIVE:
        if word.endswith(tail):
            return plural_of(word[: -len(tail)]) + tail
    first, _, last = word.rpartition(" ")
    front = first + " " if first else ""
    if last in _IRREGULAR:
        return front + _IRREGULAR[last]
    if last.endswith(("s", "x", "sh", "ch")):
        return front + last + "es"
    if last.endswith("shelf"):
        return front + last[:-1] + "ves"
    if last.endswith("y") and last[-2:-1] not in tuple("aeiou"):
        return front + last[:-1] + "ies"
    return front + last + "s"


def _noun(name: str, categories: str, said: str, head: str) -> Noun:
    singular = tuple(said.split(", "))
    covered = frozenset(c for c in categories.split(", ") if c) | {name}
    return Noun(name, singular, tuple(plural_of(word) for word in singular), covered, head or name)


NOUNS: dict[str, Noun] = {name: _noun(name, *row) for name, row in _TABLE.items()}


def noun(name: str) -> Noun:
    """Return the noun called `name`; a name outside the table is a category that stands for itself alone."""
    found = NOUNS.get(name)
    return found if found is not None else _noun(name, "", name, "")


@lru_cache(maxsize=4096)
def nouns_of(category: str) -> tuple[Noun, ...]:
    """Return every noun that a listener takes for a thing of this raw category, the category's own noun first."""
    if category in NOT_NAMED:
        return ()
    covering = [n for n in NOUNS.values() if category in n.categories]
    own = [n for n in covering if n.name == category]
    rest = sorted((n for n in covering if n.name != category), key=lambda n: (len(n.categories), n.name))
    if not covering:
        return (noun(category),)
    return tuple(own + rest)


@lru_cache(maxsize=4096)
def head_of(category: str) -> str:
    """Return the name of the head noun of a raw category: things of one head are each other's distractors."""
    found = nouns_of(category)
    return found[0].head if found else category


@lru_cache(maxsize=4096)
def confusable(head: str) -> frozenset[str]:
    """Return the heads that a listener might mistake for `head`, itself included."""
    return frozenset({head}).union(*(group for group in CONFUSABLE if head in group))


def neighbours(kind: str, a: str | None, b: str | None) -> bool:
    """Return whether attribute words a and b (colours, materials or shapes) might both be said of one thing."""
    pairs = {"color": COLOR_NEIGHBOURS, "material": MATERIAL_NEIGHBOURS, "shape": SHAPE_NEIGHBOURS}[kind]
    return a is None or b is None or frozenset({a, b}) in pairs


@lru_cache(maxsize=4096)
def held_out_pair(value: str, head: str) -> bool:
    """Return whether this attribute (a colour, material or shape) is never said of this noun in train.

    One pair in six, chosen by a hash, so that it does not depend on which rooms were made.
    """
    digest = hashlib.sha1(f"pair {value} {head}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big") % 6 == 0


# What could well have stood in a room, by where it would be; zero-target sentences without a distractor speak of these.
ABSENT: dict[str, tuple[str, ...]] = {
    "floor": ("chair", "couch", "desk", "bed", "bookshelf", "wardrobe", "refrigerator", "stove", "toilet", "bathtub",
              "trash can", "plant", "suitcase", "washing machine", "bicycle", "piano", "stool", "bench", "radiator",
              "armchair", "coffee table", "file cabinet", "dresser", "nightstand", "ladder", "tv stand", "ottoman"),
    "on": ("microwave", "printer", "monitor", "laptop", "keyboard", "lamp", "telephone", "toaster", "book", "backpack",
           "pillow", "coffee maker", "alarm clock", "cup", "bottle", "tissue box", "speaker"),
    "wall": ("picture", "mirror", "whiteboard", "tv", "clock", "towel", "bulletin board", "calendar"),
}  # fmt: skip
