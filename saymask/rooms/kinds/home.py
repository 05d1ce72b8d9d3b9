"""Rooms of a home and their furniture."""

from math import pi
from typing import Any

from saymask.rooms.kinds.groups import clutter, desk_with_screen, fill_shelves, pictures, rug_under, seats_at
from saymask.rooms.layout import Layout, Placed

# What else a bathroom may hold, and how often.
BATH_EXTRAS = (
    ("trash can", 0.5),
    ("laundry hamper", 0.2),
    ("laundry basket", 0.15),
    ("cabinet", 0.3),
    ("stool", 0.12),
    ("scale", 0.12),
    ("washing machine", 0.15),
    ("basket", 0.12),
    ("plant", 0.12),
)


def bedroom(lay: Layout) -> None:
    """Beds against walls with nightstands and lamps, wardrobes, a dresser with a mirror, sometimes a desk."""
    twin = lay.chance(0.3)
    beds: list[Placed] = []
    first = lay.make("bed", **({"w": lay.pick(0.95, 1.05, 1.25)} if twin else {}))
    bed = lay.against_wall(first, front=0.6)
    if bed is not None:
        beds.append(bed)
        if twin:
            for second in lay.group("bed", 2, w=first.size[0] - 0.1)[1:]:
                other = None
                for side in lay.pick((-1, 1), (1, -1)):
                    other = other or lay.beside(second, bed, side, gap=lay.u(0.6, 0.9))
                other = other or lay.against_wall(second, front=0.4)
                if other is not None:
                    beds.append(other)
    stand = lay.make("nightstand")
    stands: list[Placed] = []
    for host in beds:
        for side in (-1, 1):
            if lay.chance(0.85):
                model = stand if lay.chance(0.7) else lay.make("nightstand")
                placed = lay.beside(model, host, side, gap=lay.u(0.05, 0.12))
                if placed is not None:
                    stands.append(placed)
    lamp = lay.make("lamp")
    for host in stands:
        if lay.chance(0.7):
            lay.on_top(lamp if lay.chance(0.6) else lay.make("lamp", "table_lamp"), host, at=(0.5, 0.7))
        clutter(lay, host, ("book", "alarm clock", "cup", "tissue box", "telephone", "water bottle"), 0.8)
    for host in beds:
        wide = host.model.size[0] > 1.35
        pillows = lay.group("pillow", 2 if wide else 1 + int(lay.chance(0.25)))
        for i, model in enumerate(pillows):
            x = (i + 0.5) / len(pillows)
            lay.on_top(model, host, at=(x if len(pillows) > 1 else 0.5, 0.6), yaw=0.0, top=0)
        if lay.chance(0.35):
            for model in lay.group("cushion", 2 if wide else 1, square=1):
                lay.on_top(model, host, top=1, at=(lay.u(0.1, 0.9), 0.95))
        for category, chance in (
            ("blanket", 0.3),
            ("clothes", 0.18),
            ("stuffed animal", 0.05),
            ("laptop", 0.06),
            ("bag", 0.06),
        ):
            if lay.chance(chance):
                lay.on_top(lay.make(category), host, top=1)
    storage = lay.pick(("wardrobe",), ("wardrobe", "dresser"), ("dresser",), ("wardrobe", "wardrobe", "dresser"))
    for category in storage:
        placed = lay.against_wall(lay.make(category), front=0.55)
        if placed is not None and category == "dresser":
            if lay.chance(0.5):
                lay.on_wall(lay.make("mirror"), 1.15, 1.4, above=placed, near=0.2)
            clutter(lay, placed, ("lamp", "book", "decoration", "plant", "tv", "candle", "box", "speaker"), 1.6)
    if lay.chance(0.45):
        desk_with_screen(lay, chair=lay.pick("chair", "office chair"))
    if lay.chance(0.3):
        lay.against_wall(lay.make("bookshelf"), front=0.4)
    if lay.chance(0.3):
        for model in lay.group("armchair", 1 + int(lay.chance(0.4))):
            lay.against_wall(model, front=0.4, turn=lay.u(-0.5, 0.5))
    if lay.chance(0.4):
        host = beds[0] if beds else None
        if host is not None and lay.chance(0.5):
            lay.before(lay.make(lay.pick("bench", "ottoman")), host, 0.06)
    if beds and lay.chance(0.5):
        rug_under(lay, beds[0])
    pictures(lay, beds, 3)


def living_room(lay: Layout) -> None:
    """A sofa that faces a television, armchairs, a coffee table on a rug, shelves, plants and lamps."""
    main = lay.against_wall(
        lay.make("couch", lay.pick("sofa", "sofa", "leather_sofa", "corner_sofa")), front=1.4, tries=60
    )
    if main is None and lay.version > 1:
        main = lay.against_wall(lay.make("couch", "sofa"), front=0.5, tries=60)
    sofas = [main] if main else []
    screen_stand = None
    if main is not None:
        opposite = lay.walls[(main.wall or 0)]
        facing = [
            w.index for w in lay.walls if w.inward[0] * opposite.inward[0] + w.inward[1] * opposite.inward[1] < -0.9
        ]
        stand = lay.make("tv stand")
        for index in facing:
            wall = lay.walls[index]
            u = (main.x - wall.start[0]) * wall.along[0] + (main.y - wall.start[1]) * wall.along[1]
            screen_stand = screen_stand or lay.against_wall(stand, walls=(index,), u=u, front=0.8)
        screen_stand = screen_stand or lay.against_wall(stand, walls=tuple(facing) or None, front=0.8)
    if screen_stand is not None:
        lay.on_top(lay.make("tv", "on_stand"), screen_stand, at=(0.5, 0.5), yaw=0.0)
        clutter(lay, screen_stand, ("speaker", "speaker", "decoration", "plant", "box", "cd case"), 1.5)
    elif lay.chance(0.5):
        lay.on_wall(lay.make("tv", "on_wall"), 0.95, 1.2)
    if main is not None:
        coffee = None
        model = lay.make("coffee table")
        corner = main.model.shape == "l-shaped"  # then the table stands in the angle, beside the chaise
        for shift in (0.5, -0.5, 0.65, -0.65) if corner else (0.0,):
            distance = lay.u(-0.4, -0.2) if corner else lay.u(0.35, 0.5)
            coffee = coffee or lay.before(model, main, distance, shift=shift)
        if coffee is not None:
            clutter(
                lay,
                coffee,
                ("book", "book", "cup", "plate", "candle", "bowl", "laptop", "tissue box", "tray", "bottle"),
                2.2,
            )
            if lay.chance(0.3):
                second = lay.make("coffee table", coffee.model.design)
                lay.beside(second, coffee, lay.pick(-1, 1), gap=0.1, back=False)
        if lay.chance(0.65):
            rug_under(lay, coffee or main)
        for side in (-1, 1):
            if lay.chance(0.6):
                end = lay.beside(lay.make("end table", small=1), main, side, gap=0.06)
                if end is not None and lay.chance(0.7):
                    lay.on_top(lay.make("lamp", "table_lamp"), end, at=(0.5, 0.6))
                elif end is not None:
                    clutter(lay, end, ("plant", "telephone", "book", "decoration", "cup"), 1.0)
            elif lay.chance(0.4):
                lay.beside(lay.make("lamp", "floor_lamp"), main, side, gap=0.1)
    if lay.area > 20 and lay.chance(0.5):
        other = lay.against_wall(lay.make("couch"), front=0.7)
        if other is not None:
            sofas.append(other)
    chairs = lay.group(lay.pick("armchair", "armchair", "sofa chair"), lay.pick(0, 1, 2, 2)) if lay.chance(0.85) else []
    for model in chairs:
        placed = lay.against_wall(model, front=0.4, turn=lay.u(-0.7, 0.7))
        if placed is not None:
            sofas.append(placed)
            if lay.chance(0.3):
                lay.before(lay.make("ottoman"), placed, 0.12)
    for host in sofas:
        wide = host.model.size[0] > 1.2
        for model in lay.group("pillow", lay.pick(0, 1, 2, 3) if wide else lay.pick(0, 1), square=1):
            lay.on_top(model, host, yaw=lay.u(-0.3, 0.3))
        if lay.chance(0.15):
            lay.on_top(lay.make(lay.pick("blanket", "clothes", "bag", "backpack")), host)
    for category in lay.pick(
        ("bookshelf",), ("bookshelf", "bookshelf"), ("cabinet",), ("bookshelf", "cabinet"), ("cabinet", "cabinet")
    ):
        placed = lay.against_wall(lay.make(category), front=0.5)
        if placed is not None:
            fill_shelves(lay, placed, ("decoration", "plant", "speaker", "basket", "box", "clock", "candle"))
    if lay.area > 24 and lay.chance(0.55):
        table = lay.free(lay.make("dining table"), gap=0.55, yaw=lay.pick(0.0, pi / 2))
        if table is not None:
            seats_at(lay, table, "chair", 4 + 2 * int(lay.chance(0.4)))
            clutter(lay, table, ("bowl", "plate", "decoration", "plant", "cup", "bottle"), 1.5)
    if lay.area > 26:
        for category in (lay.pick("bookshelf", "cabinet", "shelf"), lay.pick("armchair", "bench", "cabinet", "desk")):
            placed = lay.against_wall(lay.make(category), front=0.5)
            if placed is not None:
                fill_shelves(lay, placed, ("book", "decoration", "plant", "basket", "box"))
    for _ in range(lay.pick(0, 1, 1, 2, 3) + int(lay.area > 26)):
        lay.against_wall(
            lay.make(lay.pick("plant", "plant", "potted plant")), front=0.1, corner=lay.chance(0.6), gap=0.06
        )
    if lay.chance(0.06):
        lay.against_wall(lay.make("fireplace"), front=0.8)
    if lay.chance(0.03):
        lay.against_wall(lay.make("piano"), front=0.7)
    pictures(lay, sofas, 5)


def kitchen(lay: Layout) -> None:
    """A run of counters with a sink, cooker and fridge, wall cabinets above, and a table with chairs."""
    lengths = sorted(lay.walls, key=lambda w: -w.length)
    runs: list[Placed] = []
    row: list[Placed] = []
    wall = lengths[0] if lay.chance(0.7) or len(lengths) < 2 else lengths[1]
    pieces = ["counter", "stove", "counter"] if lay.chance(0.6) else ["counter", "stove", "dishwasher", "counter"]
    if lay.chance(0.15):
        pieces[1] = "oven"
    pieces = (["refrigerator", *pieces] if lay.chance(0.75) else pieces) + (
        ["refrigerator"] if lay.chance(0.08) else []
    )
    if lay.chance(0.5):
        pieces.reverse()
    name = lay.pick("kitchen counter", "kitchen counter", "kitchen counter", "counter")
    slab = lay.make(name, "run").color
    body = lay.rng.randint(0, 2**31 - 1)
    for start in sorted((lay.u(0.05, max(0.06, wall.length * 0.3)), 0.04), key=lambda v: -v):
        u = start
        for piece in pieces:
            if piece == "counter":
                room_left = wall.length - u - 0.05 - 0.62 * (len(pieces) - pieces.index(piece) - 1)
                if room_left < 0.8:
                    continue
                state = lay.rng.get_state()
                lay.rng.seed(body)  # every counter of a kitchen has the same fronts
                model = lay.make(name, "run", slab, w=min(1.9, max(0.8, room_left * 0.62)))
                lay.rng.set_state(state)
            else:
                model = lay.make(piece)
            placed = lay.against_wall(model, walls=(wall.index,), u=u + model.size[0] / 2 + 0.01, front=0.6)
            if placed is not None:
                row.append(placed)
                if piece == "counter":
                    runs.append(placed)
            u += model.size[0] + 0.015
        if runs:
            break
    if not runs:
        placed = lay.against_wall(lay.make(name, "run", slab, w=1.3), front=0.6)
        runs = [placed] if placed else []
        for piece in ("stove", "refrigerator"):
            extra = lay.against_wall(lay.make(piece), front=0.6)
            row += [extra] if extra else []
    if not any(p.model.category == "refrigerator" for p in row):
        extra = lay.against_wall(lay.make("refrigerator"), front=0.6)
        row += [extra] if extra else []
    if runs and lay.chance(0.5):
        for k in range(len(lay.walls)):
            side = lay.walls[k]
            if side.index != wall.index and side.length > 1.8:
                placed = lay.against_wall(
                    lay.make(name, "run", slab, w=min(1.8, side.length - 0.9)), walls=(k,), front=0.6, tries=12
                )
                if placed is not None:
                    runs.append(placed)
                    break
    sinks = 0
    for run in runs:
        if sinks == 0 or lay.chance(0.2):
            sinks += lay.on_top(lay.make("sink", "basin"), run, at=(lay.u(0.3, 0.7), 0.5), yaw=0.0) is not None
    color = lay.make("kitchen cabinet").color
    for host in [*runs, *row]:
        tall = host.model.size[2] > 1.2
        if tall or (host.model.category not in ("stove", "oven") and not lay.chance(0.85)):
            continue
        if host.model.category in ("stove", "oven"):
            if lay.chance(0.4):
                lay.on_wall(lay.make("range hood"), 1.55, 1.65, above=host)
            continue
        w = host.model.size[0]
        lay.on_wall(
            lay.make("kitchen cabinet", color=color if lay.chance(0.8) else None, w=min(1.0, w - 0.02)),
            1.42,
            1.5,
            above=host,
            near=0.02,
        )
        if w > 1.7:
            for near in (0.75, 0.75):
                lay.on_wall(
                    lay.make("kitchen cabinet", color=color, w=min(0.8, w - 1.05)),
                    1.42,
                    1.5,
                    above=host,
                    near=near,
                    tries=40,
                )
    small = ("microwave", "coffee maker", "toaster", "coffee kettle", "bottle", "cup", "plate", "bowl", "dish rack",
             "paper towel roll", "container", "bottle", "tray", "water pitcher", "toaster oven", "box")  # fmt: skip
    for run in runs:
        for appliance, share in (("microwave", 0.35), ("coffee maker", 0.25), ("dish rack", 0.12)):
            if run is runs[-1] and lay.chance(share):
                lay.on_top(lay.make(appliance), run, yaw=0.0, tries=40)
        clutter(lay, run, small, 2.6)
    if lay.area > 14 and lay.chance(0.25):
        island = lay.free(lay.make("counter", "island"), gap=0.75, yaw=lay.pick(0.0, pi / 2))
        if island is not None:
            clutter(lay, island, small, 1.2)
            lay.around(island, lay.group("stool", lay.pick(2, 3, 4)), ends=False)
    table = lay.free(
        lay.make(lay.pick("dining table", "dining table", "table"), w=lay.u(0.95, 1.5)),
        gap=0.5,
        yaw=lay.pick(0.0, pi / 2),
    )
    if table is None:
        table = lay.against_wall(lay.make("table", w=lay.u(0.9, 1.2), d=0.66), front=0.5)
    if table is not None:
        seats_at(lay, table, "chair", lay.pick(2, 4, 4, 5, 6))
        clutter(lay, table, ("bowl", "plate", "cup", "bottle", "plant", "book", "decoration", "tissue box"), 1.8)
    for category, chance in (
        ("trash can", 0.6),
        ("cabinet", 0.3),
        ("shelf", 0.2),
        ("washing machine", 0.12),
        ("recycling bin", 0.2),
        ("stool", 0.2),
    ):
        if lay.chance(chance):
            placed = lay.against_wall(lay.make(category), front=0.3, corner=category == "trash can")
            if placed is not None:
                fill_shelves(lay, placed, ("container", "box", "basket", "bottle"))
    pictures(lay, [], 2, extra=("clock", "calendar"))


def bathroom(lay: Layout) -> None:
    """A toilet, a vanity with sinks under a mirror, a tub or a shower with its curtain, towels."""
    tub = None
    if lay.chance(0.62):
        tub = lay.against_wall(lay.make("bathtub"), front=0.5, corner=True, gap=0.015, tries=60)
        if tub is not None and lay.chance(0.75):
            wall = lay.walls[tub.wall or 0]
            hung = lay.make("shower curtain", w=lay.u(0.55, 0.9), h=1.85)
            x, y = tub.world(
                lay.pick(-1, 1) * (tub.model.size[0] / 2 - hung.size[0] / 2 - 0.02), -tub.model.size[1] / 2 - 0.06
            )
            item = Placed(hung, x, y, 0.14, wall.yaw, len(lay.placed), "ceiling")
            if lay.fits(item, zones=False):
                lay.add(item)
    if tub is None or lay.chance(0.15):
        lay.against_wall(lay.make("shower"), front=0.5, corner=True)
    count = 2 if lay.area > 10 and lay.chance(0.4) else 1
    if lay.chance(0.7):
        name = lay.pick("bathroom vanity", "bathroom vanity", "bathroom counter")
        vanity = lay.against_wall(lay.make(name, w=1.4 if count == 2 else lay.u(0.8, 1.3)), front=0.5)
        if vanity is not None:
            shape = lay.pick("basin", "vessel")
            for i in range(count):
                lay.on_top(lay.make("sink", shape, w=0.46, d=0.36), vanity, at=((i + 0.5) / count, 0.5), yaw=0.0)
            clutter(
                lay,
                vanity,
                ("soap dispenser", "cup", "bottle", "soap dish", "tissue box", "container", "towel", "candle"),
                2.0,
                pump=True,
            )
            for _ in range(count):
                lay.on_wall(lay.make("mirror"), 1.15, 1.3, above=vanity, near=0.3 if count > 1 else 0.05)
    else:
        for model in lay.group("sink", count, design="pedestal"):
            basin = lay.against_wall(model, front=0.5)
            if basin is not None:
                lay.on_wall(lay.make("mirror"), 1.2, 1.35, above=basin)
    for model in lay.group("toilet", 1 + int(lay.chance(0.12))):
        seat = lay.against_wall(model, front=0.45)
        if seat is not None:
            for _ in range(1 + int(lay.chance(0.5))):
                lay.on_wall(lay.make("toilet paper"), 0.55, 0.8, walls=(seat.wall or 0,))
            if lay.chance(0.12):
                lay.beside(lay.make("plunger"), seat, lay.pick(-1, 1), gap=0.1)
            if lay.chance(0.1):
                lay.on_wall(lay.make(lay.pick("handicap bar", "rail")), 0.75, 0.9, walls=(seat.wall or 0,))
    for model in lay.group("towel", lay.pick(1, 2, 2, 3), design="hanging"):
        lay.on_wall(model, 0.75, 1.15)
    for category, chance in BATH_EXTRAS:
        if lay.chance(chance):
            options: dict[str, Any] = {"h": 0.85} if category == "cabinet" else {}
            placed = lay.against_wall(lay.make(category, **options), front=0.1, corner=lay.chance(0.5))
            if placed is not None and placed.model.tops:
                clutter(lay, placed, ("towel", "bottle", "soap dispenser", "basket"), 1.2, pump=True)
    if lay.chance(0.25):
        lay.on_wall(lay.make("bathroom cabinet"), 1.3, 1.5)
    for model in lay.group("mat", lay.pick(0, 1, 1, 2), w=0.75, d=0.5):
        lay.free(model, gap=0.0)
    pictures(lay, [], 1)
