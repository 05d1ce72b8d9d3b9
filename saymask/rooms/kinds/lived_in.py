"""Traces of life in a room of version 2: fittings, clutter on every surface and on the floor, or nearly nothing."""

from saymask.rooms.kinds.groups import RARE, Rare, clutter, rare_things
from saymask.rooms.layout import Layout, Placed

SHARES = {
    "bedroom": 0.19, "living room": 0.15, "kitchen": 0.085, "office": 0.14, "meeting room": 0.085, "bathroom": 0.085,
    "hallway": 0.045, "storage": 0.035, "studio": 0.055, "open plan": 0.025, "lounge": 0.04, "classroom": 0.02,
    "copy room": 0.012, "laundry room": 0.012, "hospital room": 0.011, "gym": 0.01,
}  # fmt: skip
"""Share of rooms of each kind."""
HOME = ("bedroom", "living room", "studio", "open plan")
WORK = ("office", "meeting room", "classroom", "copy room", "lounge")

# What lies on a thing, by its category; "" is on anything else.
ON: dict[str, tuple[str, ...]] = {
    "desk": ("paper", "paper", "book", "cup", "telephone", "lamp", "bottle", "headphones", "tissue box", "plant", "box",
             "speaker", "laptop", "keyboard", "mouse", "container", "bag", "monitor", "calendar", "power strip",
             "cd case",
             "decoration", "tray"),
    "table": ("cup", "paper", "book", "bottle", "plate", "bowl", "laptop", "bag", "plant", "tissue box", "box", "tray",
              "water bottle", "decoration", "candle", "telephone", "backpack", "paper bag", "hat", "clothes"),
    "counter": ("bottle", "cup", "plate", "bowl", "container", "microwave", "toaster", "coffee maker", "coffee kettle",
                "dish rack", "paper towel roll", "box", "tray", "plant", "soap dispenser", "toaster oven", "paper bag",
                "water pitcher", "bag"),
    "vanity": ("bottle", "cup", "soap dispenser", "towel", "tissue box", "container", "toilet paper", "hair dryer",
               "soap dish", "candle"),
    "seat": ("clothes", "bag", "jacket", "backpack", "pillow", "book", "blanket", "towel", "box", "paper", "laptop"),
    "cabinet": ("box", "book", "plant", "lamp", "decoration", "paper", "clock", "basket", "picture", "container", "bag",
                "candle", "speaker", "fan", "hat", "ball", "stuffed animal"),
    "machine": ("box", "paper", "laundry detergent", "basket", "bottle", "towel"),
}  # fmt: skip
HOSTS = {
    "desk": "desk", "table": "table", "dining table": "table", "coffee table": "table", "end table": "table",
    "counter": "counter", "kitchen counter": "counter", "bar": "counter", "bathroom counter": "vanity",
    "bathroom vanity": "vanity", "couch": "seat", "armchair": "seat", "sofa chair": "seat", "bench": "seat",
    "ottoman": "seat", "washing machine": "machine", "clothes dryer": "machine", "copier": "machine",
    "microwave": "machine", "refrigerator": "machine", "windowsill": "cabinet", "stool": "seat", "chair": "seat",
    "office chair": "seat", "seat": "seat",
}  # fmt: skip
# What lies on floors, and where.
FLOOR = (
    ("shoe", HOME), ("shoe", ("hallway",)), ("bag", ()), ("backpack", HOME + WORK), ("box", ()), ("box", ("storage",)),
    ("clothes", ("bedroom", "studio", "laundry room", "bathroom")), ("paper", ("office", "copy room", "bedroom")),
    ("power strip", HOME + WORK), ("tube", HOME + WORK), ("book", ("bedroom", "living room", "office", "studio")),
    ("bottle", ()), ("ball", ("bedroom", "living room")), ("stuffed animal", ("bedroom",)), ("storage bin", ()),
    ("suitcase", ("bedroom", "studio", "hallway")), ("laundry basket", ("bedroom", "bathroom", "laundry room")),
    ("towel", ("bathroom",)), ("scale", ("bathroom",)), ("bucket", ("storage", "laundry room", "kitchen")),
    ("paper bag", ("kitchen", "office", "hallway", "studio")), ("cushion", ("living room", "bedroom")),
    ("toilet paper", ("bathroom",)), ("computer tower", ("office",)), ("crate", ("storage", "kitchen")),
    ("dumbbell", ("bedroom", "living room", "gym")), ("blanket", ("bedroom", "living room")), ("trash can", ()),
    ("basket", HOME), ("fan", ("bedroom", "office", "studio")), ("stool", ()), ("container", ("storage", "kitchen")),
)  # fmt: skip
# What stands along walls where a room has space left, and where.
STANDING = (
    ("cabinet", ()), ("bookshelf", (*HOME, "office", "lounge", "classroom")), ("shelf", ()),
    ("file cabinet", ("office", "copy room", "meeting room")), ("closet", ("bedroom", "hallway", "storage")),
    ("dresser", ("bedroom", "studio", "hospital room")), ("wardrobe", ("bedroom", "studio", "hallway")),
    ("couch", ("living room", "lounge", "studio", "open plan", "office", "meeting room")),
    ("armchair", (*HOME, "lounge", "office")), ("table", (*WORK, "gym", "hallway", "living room")),
    ("desk", ("office", "classroom", "bedroom", "studio")), ("chair", ()), ("bench", ("hallway", "gym", "lounge")),
    ("kitchen cabinet", ("kitchen",)), ("dining table", ("kitchen", "open plan")),
    ("bathroom cabinet", ("bathroom",)), ("cart", ("hospital room", "storage", "copy room", "laundry room")),
)  # fmt: skip
MAIN = frozenset({
    "bed", "couch", "table", "dining table", "desk", "counter", "kitchen counter", "refrigerator", "stove", "toilet",
    "bathtub", "shower", "sink", "bathroom vanity", "bathroom counter", "wardrobe", "whiteboard", "curtain", "machine",
    "washing machine", "copier",
})  # fmt: skip
"""Categories that even a nearly empty room has."""
PER_WALL = 0.25
"""Pieces of furniture that are tried per metre of wall beyond what a kind of room has."""
LARGE = 1.0
"""Square metres of surface: half the sides and the top."""
RARE2: tuple[Rare, ...] = (
    ("radiator", "foot", 0.06, ()), ("pipe", "foot", 0.05, ("bathroom", "kitchen", "storage", "laundry room",
    "hallway")),
    ("structure", "foot", 0.02, ()), ("ledge", "wall", 0.02, ()), ("closet door", "foot", 0.05, (*HOME, "hallway")),
    ("seat", "wall_floor", 0.02, ("hallway", "lounge", "bathroom")), ("stair rail", "wall_floor", 0.012, ("hallway",)),
    ("bar", "wall_floor", 0.006, ("living room", "lounge", "kitchen")),
    ("tube", "foot", 0.008, ("storage", "laundry room")),
    ("closet rod", "wall", 0.008, ("bedroom", "storage")), ("hair dryer", "wall", 0.008, ("bathroom",)),
    ("toilet seat cover dispenser", "wall", 0.008, ("bathroom",)),
    ("toilet paper holder", "paper", 0.012, ("bathroom",)),
    ("shower head", "high", 0.008, ("bathroom",)), ("shower curtain rod", "high", 0.008, ("bathroom",)),
    ("bathroom stall door", "foot", 0.012, ("bathroom",)), ("shower door", "foot", 0.012, ("bathroom",)),
    ("shower wall", "foot", 0.012, ("bathroom",)), ("shower floor", "corner", 0.01, ("bathroom",)),
    ("closet wall", "foot", 0.01, ("bedroom", "hallway")), ("folded chair", "wall_floor", 0.015, ("storage", "office")),
    ("coat rack", "coat", 0.05, ("office", "hallway", "bedroom", "classroom")), ("tray", "on", 0.02, ()),
    ("board", "wall", 0.02, WORK), ("bulletin board", "wall", 0.06, WORK), ("poster", "wall", 0.08, HOME + WORK),
    ("calendar", "wall", 0.06, ()), ("sign", "wall", 0.06, (*WORK, "hallway")), ("clock", "wall", 0.09, ()),
    ("jacket", "wall", 0.06, HOME + WORK), ("towel", "towel", 0.03, ("kitchen", "bathroom")),
    ("hat", "on", 0.015, HOME),
    ("keyboard", "on", 0.02, ("office", "bedroom")), ("headphones", "on", 0.015, ("office", "bedroom")),
    ("mirror", "wall", 0.06, (*HOME, "hallway")),
    ("shelf", "wall_board", 0.12, (*HOME, "kitchen", "office", "bathroom")),
    ("person", "floor", 0.012, WORK), ("cushion", "on", 0.04, HOME), ("fire extinguisher", "wall", 0.03, WORK),
    ("mattress", "wall_floor", 0.015, ("bedroom", "storage")),
    ("kitchen cabinet", "cupboard", 0.03, ("office", "storage")),
    ("water bottle", "on", 0.04, WORK), ("object", "floor", 0.012, ()),
)  # fmt: skip


def lived_in(lay: Layout) -> None:
    """Add fittings, clutter and rarely met things, then take away what a tidy or nearly empty room lacks."""
    mess = float(lay.rng.gamma(0.9, 0.3))  # 0 = tidy, 0.3 = usual, 1.5 = crammed
    furniture(lay)
    fittings(lay)
    rare_things(lay, RARE + RARE2, SHARES)
    surfaces(lay, mess)
    floor(lay, mess)
    keep = lay.pick(lay.u(0.8, 1.0), lay.u(0.65, 0.95), lay.u(0.5, 0.85), lay.u(0.3, 0.7), lay.u(0.15, 0.4))
    thin(lay, keep)


def furniture(lay: Layout) -> None:
    """Stand more furniture along walls that are bare."""
    options = [name for name, kinds in STANDING if not kinds or lay.kind in kinds]
    length = sum(wall.length for wall in lay.walls)
    for _ in range(int(lay.rng.poisson(PER_WALL * length))):
        lay.against_wall(lay.make(lay.pick(*options)), front=lay.u(0.15, 0.5), gap=lay.u(0.01, 0.08))


def fittings(lay: Layout) -> None:
    """Switches beside doors, sockets, lamps under the ceiling."""
    for door in lay.doors:
        if door.wall is not None and lay.chance(0.3):
            model = lay.make("light switch")
            side = lay.pick(-1, 1)
            wall, u = lay.walls[door.wall], door.u + side * (door.model.size[0] / 2 + lay.u(0.1, 0.25))
            if 0.1 < u < wall.length - 0.1:
                at = wall.at(u, model.size[1] / 2 + 0.002)
                item = lay.new(model, at, lay.u(0.95, 1.2), wall.yaw, "wall", wall=wall.index, u=u)
                if lay.fits(item, zones=False):
                    lay.add(item)
    for _ in range(lay.pick(0, 0, 0, 0, 1, 2)):
        lay.on_wall(lay.make("power outlet"), 0.2, 0.4)
    if lay.chance(0.3):
        model = lay.make(lay.pick("ceiling light", "light"))
        columns, rows = (1, 1) if lay.area < 14 or lay.chance(0.4) else (lay.pick(1, 2, 3), lay.pick(1, 2))
        for i in range(columns):
            for j in range(rows):
                lay.overhead(model, (lay.width * (i + 0.5) / columns, lay.depth * (j + 0.5) / rows))


def surfaces(lay: Layout, mess: float) -> None:
    """Put small things on everything that has a top."""
    for host in list(lay.placed):
        if not host.model.tops or host.model.category == "bed" or host.mount == "on":
            continue
        kind = HOSTS.get(host.model.category, "cabinet")
        area = sum((top.x1 - top.x0) * (top.y1 - top.y0) for top in host.model.tops)
        mean = mess * min(area, 2.5) * (3.0 if kind in ("desk", "counter") else 1.2 if kind == "seat" else 1.8)
        clutter(lay, host, ON[kind], min(mean, 9.0), pump=True)


def floor(lay: Layout, mess: float) -> None:
    """Leave things on the floor, mostly near walls."""
    options = [name for name, kinds in FLOOR if not kinds or lay.kind in kinds]
    for _ in range(int(lay.rng.poisson(mess * 0.16 * lay.area))):
        model = lay.make(lay.pick(*options))
        if lay.chance(0.6):
            lay.against_wall(model, front=0.0, gap=lay.u(0.02, 0.15), turn=lay.u(-0.5, 0.5), corner=lay.chance(0.3))
        else:
            lay.free(model, gap=0.02)


def thin(lay: Layout, keep: float) -> None:
    """Keep a share of the things, nearly all of what a room is for, most of what is large, and what carries them.

    Doors and windows stay.
    """
    fixed = {id(item) for item in lay.doors + lay.windows}

    def share(item: Placed) -> float:
        w, d, h = item.model.size
        return keep**0.15 if item.model.category in MAIN or w * d + (w + d) * h > LARGE else keep

    stays = [id(item) in fixed or lay.chance(share(item)) for item in lay.placed]
    for item in reversed(lay.placed):
        if item.on is not None and stays[item.id]:
            stays[item.on] = True
    left = [item for item in lay.placed if stays[item.id]]
    number = {item.id: k for k, item in enumerate(left)}
    for item in left:
        item.id, item.on = number[item.id], None if item.on is None else number[item.on]
    lay.placed = left
