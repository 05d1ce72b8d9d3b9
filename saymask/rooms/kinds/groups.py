"""Groups that many kinds of rooms share: a work place, seats at a table, clutter, pictures, rugs, rare things."""

from math import pi
from typing import Any

from saymask.rooms.layout import Layout, Placed

# The share of rooms of each kind.
SHARES = {
    "bedroom": 0.2, "living room": 0.17, "kitchen": 0.13, "office": 0.17, "meeting room": 0.08, "bathroom": 0.12,
    "hallway": 0.06, "storage": 0.07,
}  # fmt: skip


def clutter(lay: Layout, host: Placed, options: tuple[str, ...], mean: float, *, pump: bool = False) -> list[Placed]:
    """Put about `mean` small things of the options on a host."""
    out = []
    for _ in range(int(lay.rng.poisson(mean))):
        category = lay.pick(*options)
        design = {"lamp": "table_lamp", "towel": "folded", "tv": "on_stand"}.get(category)
        if category == "soap dispenser" and pump:
            design = "pump"
        wish: dict[str, Any] = {"plant": {"small": 1}, "towel": {"w": 0.35, "d": 0.26}}.get(category, {})
        if category == "box":
            wish = {"w": lay.u(0.2, 0.34), "d": lay.u(0.18, 0.26)}
        item = lay.on_top(lay.make(category, design, **wish), host)
        if item is not None:
            out.append(item)
            if lay.chance(0.4):  # things come in pairs
                twin = lay.on_top(lay.make(category, item.model.design, **wish), host)
                out += [twin] if twin else []
    return out


def fill_shelves(lay: Layout, host: Placed, options: tuple[str, ...], *, chance: float = 0.5) -> None:
    """Put things on the boards of a shelf or on the top of a cabinet."""
    for i, surface in enumerate(host.model.tops):
        slots = max(1, int((surface.x1 - surface.x0) / 0.4))
        for k in range(slots):
            if not lay.chance(chance * (0.6 if surface.z > 1.6 else 1.0)):
                continue
            category = lay.pick(*options)
            wish: dict[str, Any] = {"plant": {"small": 1}}.get(category, {})
            if category in ("box", "storage bin", "storage container"):
                high = min(0.36, surface.headroom * 0.9)
                wish = {
                    "w": lay.u(0.24, 0.36),
                    "d": min(lay.u(0.2, 0.32), surface.y1 - surface.y0),
                    "h": lay.u(0.55, 1.0) * high,
                }
            design = "carton" if category == "box" else None
            lay.on_top(lay.make(category, design, **wish), host, at=((k + 0.5) / slots, 0.5), yaw=0.0, top=i, tries=6)


def seats_at(lay: Layout, table: Placed, category: str, count: int) -> list[Placed]:
    """Tuck chairs at a table."""
    return lay.around(table, lay.group(category, count))


def work_place(lay: Layout, desk: Placed, chair: str | None = None) -> None:
    """A chair before a desk; screen, keyboard and small things on it; a computer or a bin under it."""
    category = chair or lay.pick("office chair", "office chair", "office chair", "chair")
    model = lay.make(category)
    for distance in (lay.u(-0.2, 0.1), 0.08, 0.2):
        if lay.before(model, desk, distance, shift=lay.u(-0.12, 0.12), turn=pi + lay.u(-0.5, 0.5)) is not None:
            break
    kind = lay.pick("screen", "screen", "screen", "two", "laptop")
    if kind == "laptop":
        lay.on_top(lay.make("laptop"), desk, at=(0.5, 0.4), yaw=lay.u(-0.2, 0.2))
    else:
        screens = lay.group("monitor", 2 if kind == "two" else 1)
        for i, screen in enumerate(screens):
            x = 0.5 if len(screens) == 1 else (0.22, 0.78)[i]
            lay.on_top(screen, desk, at=(x, 0.9), yaw=0.0 if len(screens) == 1 else (-0.15, 0.15)[i])
        lay.on_top(lay.make("keyboard"), desk, at=(0.5, 0.12), yaw=lay.u(-0.08, 0.08))
        if lay.chance(0.5):
            lay.on_top(lay.make("mouse"), desk, at=(0.76, 0.14), yaw=0.0)
    clutter(
        lay,
        desk,
        (
            "book",
            "paper",
            "cup",
            "telephone",
            "lamp",
            "book",
            "paper",
            "printer",
            "headphones",
            "bottle",
            "plant",
            "tissue box",
            "speaker",
        ),
        1.8,
    )
    if kind != "laptop" and lay.chance(0.4):
        tower = lay.make("computer tower")
        side = lay.pick(-1, 1)
        x = side * (desk.model.size[0] / 2 - tower.size[0] / 2 - 0.08)
        item = lay.new(tower, desk.world(x, 0.0), 0.0, desk.yaw, "floor", wall=desk.wall)
        if lay.fits(item):
            lay.add(item)
    if lay.chance(0.3):
        item = lay.new(lay.make("trash can", "open"), desk.world(lay.u(-0.4, 0.4), 0.1), 0.0, desk.yaw, "floor")
        if lay.fits(item):
            lay.add(item)
    if lay.chance(0.15):
        lay.beside(lay.make("file cabinet", "rolling"), desk, lay.pick(-1, 1), gap=0.04)


def desk_with_screen(lay: Layout, chair: str) -> None:
    """A desk at a wall with a work place."""
    desk = lay.against_wall(lay.make("desk"), front=0.7)
    if desk is not None:
        work_place(lay, desk, chair)


def pictures(lay: Layout, above: list[Placed], most: int, extra: tuple[str, ...] = ()) -> None:
    """Hang pictures, the first ones above beds and sofas."""
    n = int(lay.rng.randint(0, most + 1))
    if n == 0:
        return
    model = lay.make("picture")
    for i in range(n):
        host = above[i % len(above)] if above and i < 2 * len(above) else None
        fresh = model if i == 0 or lay.chance(0.3) else lay.make("picture", w=lay.u(0.3, 0.9), h=lay.u(0.3, 0.7))
        if host is not None and host.wall is not None and host.model.size[2] < 1.3 and lay.chance(0.7):
            low = max(1.25, host.model.size[2] + 0.15)
            lay.on_wall(fresh, low, low + 0.2, above=host, near=0.7)
        else:
            lay.on_wall(fresh, 1.2, 1.55)
    if extra and lay.chance(0.35):
        lay.on_wall(lay.make(lay.pick(*extra)), 1.35, 1.65)


def rug_under(lay: Layout, host: Placed) -> None:
    """Lay a rug that reaches out from under a bed, a sofa or a coffee table."""
    w = min(max(host.model.size[0] + 0.7, 1.4), 2.4)
    model = lay.make("mat", w=w, d=lay.u(1.2, 1.7))
    near = host.model.category in ("bed", "couch")
    y = -(host.model.size[1] / 2 + model.size[1] / 2 + 0.06) if near else 0.0
    item = lay.new(model, host.world(lay.u(-0.1, 0.1), y), 0.0, host.yaw, "floor")
    if lay.fits(item):
        lay.add(item)


Rare = tuple[str, str, float, tuple[str, ...]]
"""A rarely met thing: category, where, share of rooms, kinds of rooms (none = all)."""

# Their frequencies fall like 1 / rank.
RARE: tuple[Rare, ...] = (
    ("backpack", "floor", 0.11, ("office", "bedroom", "hallway", "living room", "meeting room")),
    ("light switch", "wall", 0.07, ()),
    ("power outlet", "outlet", 0.05, ()),
    ("ottoman", "floor", 0.05, ("living room", "bedroom")),
    ("storage bin", "floor", 0.05, ("bedroom", "office", "storage")),
    ("vent", "high", 0.04, ()),
    ("shelf", "wall_board", 0.12, ("bedroom", "living room", "office", "kitchen")),
    ("fan", "floor", 0.035, ("bedroom", "office", "living room")),
    ("lamp", "floor_lamp", 0.12, ("bedroom", "living room", "office")),
    ("mini fridge", "wall_floor", 0.025, ("office", "bedroom", "meeting room")),
    ("water cooler", "wall_floor", 0.02, ("office", "hallway", "meeting room")),
    ("guitar", "wall_floor", 0.02, ("bedroom", "living room")),
    ("storage organizer", "wall_floor", 0.03, ("bedroom", "office", "living room")),
    ("ceiling light", "ceiling", 0.1, ()),
    ("light", "ceiling", 0.04, ("office", "meeting room", "storage")),
    ("suitcase", "wall_floor", 0.03, ("bedroom",)),
    ("laundry basket", "floor", 0.025, ("bedroom",)),
    ("shoe", "floor", 0.06, ("bedroom",)),
    ("ball", "floor", 0.015, ("bedroom", "living room", "storage")),
    ("dumbbell", "floor", 0.012, ("bedroom", "living room")),
    ("bicycle", "wall_floor", 0.012, ("hallway", "living room", "storage")),
    ("column", "floor", 0.012, ("office", "meeting room", "hallway")),
    ("pillar", "floor", 0.01, ("office", "living room")),
    ("machine", "wall_floor", 0.01, ("living room", "bedroom", "storage")),
    ("keyboard piano", "wall_floor", 0.012, ("bedroom", "living room")),
    ("music stand", "floor", 0.01, ("bedroom", "living room")),
    ("person", "floor", 0.012, ("office", "meeting room", "living room")),
    ("divider", "wall_floor", 0.012, ("bedroom", "office")),
    ("furniture", "wall_floor", 0.006, ("living room",)),
    ("fire alarm", "high", 0.015, ("office", "meeting room", "hallway")),
    ("fire extinguisher", "wall", 0.012, ("office", "storage", "kitchen")),
    ("paper bag", "floor", 0.012, ("kitchen", "hallway", "office")),
    ("case of water bottles", "floor", 0.01, ("kitchen", "office", "storage")),
    ("vacuum cleaner", "wall_floor", 0.01, ("living room", "hallway", "bedroom")),
    ("mailbox", "wall", 0.012, ("hallway", "office")),
    ("paper towel dispenser", "wall", 0.02, ("bathroom", "kitchen")),
    ("toilet paper dispenser", "wall", 0.008, ("bathroom",)),
    ("stairs", "wall_floor", 0.012, ("hallway", "living room")),
    ("trash bin", "wall_floor", 0.025, ("kitchen", "office", "hallway")),
    ("bin", "wall_floor", 0.03, ("bathroom", "bedroom", "office")),
    ("cart", "wall_floor", 0.015, ("office", "kitchen", "storage")),
    ("stand", "wall_floor", 0.015, ("living room", "hallway", "bedroom")),
    ("ironing board", "wall_floor", 0.01, ("bedroom",)),
    ("mattress", "wall_floor", 0.01, ("bedroom", "storage")),
    ("poster", "wall", 0.05, ("bedroom", "office")),
    ("projector", "ceiling", 0.012, ("meeting room",)),
    ("closet", "wall_floor", 0.03, ("bedroom", "hallway")),
    ("dustpan", "floor", 0.008, ("kitchen", "storage")),
    ("potted plant", "wall_floor", 0.03, ("hallway", "office")),
    ("bathroom stall", "wall_floor", 0.008, ("bathroom",)),
    ("jacket", "wall", 0.02, ("bedroom", "office")),
    ("clothes", "hanging", 0.02, ("bedroom", "hallway")),
    ("crate", "floor", 0.01, ("kitchen", "hallway")),
    ("purse", "floor", 0.008, ("bedroom", "hallway")),
    ("luggage", "wall_floor", 0.01, ("bedroom",)),
    ("guitar case", "wall_floor", 0.006, ("living room",)),
)


# Where things hang that are met at heights of their own, metres.
HEIGHTS = {"paper": (0.5, 0.8), "coat": (1.5, 1.7), "towel": (0.75, 1.1), "cupboard": (1.35, 1.6)}


def rare_things(lay: Layout, rare: tuple[Rare, ...], shares: dict[str, float]) -> None:
    """Add rarely met things where they belong; `shares` of rooms of each kind."""
    for category, where, share, kinds in rare:
        if kinds and lay.kind not in kinds:
            continue
        if not lay.chance(share / (sum(shares[k] for k in kinds) if kinds else 1.0)):
            continue
        for _ in range(1 + int(lay.chance(0.35))):
            if where == "floor":
                lay.free(lay.make(category), gap=0.08)
            elif where == "floor_lamp":
                lay.against_wall(lay.make(category, where), front=0.0, corner=lay.chance(0.5), gap=0.05)
            elif where == "wall_floor":
                lay.against_wall(lay.make(category), front=0.2)
            elif where == "wall_board":
                lay.on_wall(lay.make(category, where), 1.25, 1.6)
            elif where in ("wall", "hanging"):
                design = "hanging" if where == "hanging" else None
                lay.on_wall(lay.make(category, design), 1.0, 1.4)
            elif where == "high":
                lay.on_wall(lay.make(category), 2.0, 2.25)
            elif where == "outlet":
                lay.on_wall(lay.make(category), 0.25, 0.35)
            elif where == "foot":
                lay.on_wall(lay.make(category), 0.005, 0.01)
            elif where in HEIGHTS:
                lay.on_wall(lay.make(category, "hanging" if where == "towel" else None), *HEIGHTS[where])
            elif where == "corner":
                lay.against_wall(lay.make(category), front=0.2, corner=True)
            elif where == "on":
                hosts = [host for host in lay.placed if host.model.tops]
                if hosts:
                    lay.on_top(lay.make(category), lay.pick(*hosts))
            else:
                lay.overhead(lay.make(category), (lay.width * lay.u(0.3, 0.7), lay.depth * lay.u(0.3, 0.7)))
