"""Offices, meeting rooms, hallways and storage rooms, and their furniture."""

from math import pi

from saymask.rooms.kinds.groups import (
    clutter,
    desk_with_screen,
    fill_shelves,
    pictures,
    rug_under,
    seats_at,
    work_place,
)
from saymask.rooms.layout import Layout

# What else a hallway may hold, and how often.
HALL_EXTRAS = (
    ("plant", 0.35),
    ("wardrobe", 0.25),
    ("bookshelf", 0.25),
    ("suitcase", 0.12),
    ("end table", 0.15),
    ("trash can", 0.2),
    ("basket", 0.1),
    ("chair", 0.25),
    ("dresser", 0.12),
)


# What else a storage room may hold, and how often.
STORE_EXTRAS = (
    ("cabinet", 0.5),
    ("ladder", 0.2),
    ("vacuum cleaner", 0.18),
    ("bucket", 0.25),
    ("broom", 0.15),
    ("suitcase", 0.3),
    ("suitcase", 0.15),
    ("trash can", 0.3),
    ("recycling bin", 0.2),
    ("folded chair", 0.08),
    ("ironing board", 0.1),
    ("laundry basket", 0.15),
    ("bicycle", 0.1),
    ("crate", 0.1),
    ("fan", 0.12),
    ("mini fridge", 0.06),
    ("file cabinet", 0.3),
    ("chair", 0.25),
    ("table", 0.35),
    ("computer tower", 0.1),
)


def office(lay: Layout) -> None:
    """Desks with chairs and screens, file cabinets, shelves, a whiteboard, bins, plants."""
    count = max(1, min(6, round(lay.area / 7.5 + lay.u(-0.6, 0.6))))
    models = (
        lay.group("desk", count, w=lay.u(1.2, 1.6))
        if lay.chance(0.85)
        else lay.group("table", count, w=lay.u(1.2, 1.6), d=0.75)
    )
    placed = 0
    if count >= 4 and lay.chance(0.5):  # two rows back to back in the middle
        pair = lay.free(models[0], gap=0.9, yaw=lay.pick(0.0, pi / 2))
        if pair is not None:
            placed += 1
            work_place(lay, pair)
            other = lay.new(
                models[1],
                pair.world(0, pair.model.size[1] / 2 + models[1].size[1] / 2 + 0.02),
                0.0,
                pair.yaw + pi,
                "floor",
            )
            if lay.fits(other):
                work_place(lay, lay.add(other))
                placed += 1
    corner_desk = lay.chance(0.15)
    for i, model in enumerate(models[placed:]):
        if corner_desk and i == 0:
            model = lay.make("desk", "l_shaped")
        desk = lay.against_wall(model, front=0.75, tries=60)
        if desk is not None:
            work_place(lay, desk)
    for category, n in (
        (lay.pick("file cabinet", "cabinet"), lay.pick(1, 2, 2, 3)),
        (lay.pick("bookshelf", "shelf"), lay.pick(0, 1, 1, 2)),
    ):
        for model in lay.group(category, n) if n else []:
            item = lay.against_wall(model, front=0.4)
            if item is not None:
                fill_shelves(lay, item, ("box", "book", "printer", "plant", "paper", "storage bin", "basket"))
    for category, chance in (
        ("whiteboard", 0.5),
        ("bulletin board", 0.25),
        ("blackboard", 0.04),
        ("clock", 0.12),
        ("board", 0.03),
    ):
        if lay.chance(chance):
            for model in lay.group(category, 1 + int(lay.chance(0.3))):
                lay.on_wall(model, 0.85, 1.05)
    if lay.chance(0.25):
        stand = lay.against_wall(lay.make("table", w=0.9, d=0.66), front=0.4)
        if stand is not None:
            lay.on_top(lay.make("printer"), stand)
    elif lay.chance(0.12):
        lay.against_wall(lay.make("copier"), front=0.5)
    for model in lay.group("trash can", lay.pick(1, 1, 2)):
        lay.against_wall(model, front=0.0, corner=lay.chance(0.4), gap=0.05)
    if lay.chance(0.35):
        lay.against_wall(lay.make("plant"), front=0.0, corner=True, gap=0.06)
    if lay.chance(0.15):
        lay.against_wall(lay.make("couch", "sofa"), front=0.6)
    if lay.chance(0.3):
        for model in lay.group("chair", lay.pick(1, 2)):
            lay.against_wall(model, front=0.4)
    pictures(lay, [], 2, extra=("calendar", "clock", "poster"))


def meeting_room(lay: Layout) -> None:
    """A long or round table with many chairs, a screen or whiteboard, cabinets."""
    along_x = lay.width >= lay.depth
    long, short = (lay.width, lay.depth) if along_x else (lay.depth, lay.width)
    if lay.chance(0.8) or short < 3:
        model = lay.make("table", "conference", w=min(3.4, max(1.8, long - 2.4)), d=min(1.3, max(0.9, short - 2.0)))
        yaw = 0.0 if along_x else pi / 2
    else:
        model, yaw = lay.make("table", "round", r=lay.u(0.6, 0.8)), 0.0
    table = None
    for shift in (0.0, 0.3, -0.3, 0.6, -0.6):
        at = (lay.width / 2 + shift, lay.depth / 2 + shift * 0.5)
        item = lay.new(model, at, 0.0, yaw, "floor")
        if table is None and lay.fits(item, gap=0.3):
            table = lay.add(item)
    table = table or lay.free(lay.make("table", "rectangular"), gap=0.6)
    if table is not None:
        seats_at(lay, table, lay.pick("chair", "office chair", "office chair"), lay.pick(6, 8, 10, 12))
        clutter(
            lay,
            table,
            ("laptop", "paper", "cup", "telephone", "bottle", "projector", "water bottle", "book", "paper"),
            3.0,
        )
        if lay.chance(0.2):
            rug_under(lay, table)
    for category, chance in (
        ("whiteboard", 0.75),
        ("tv", 0.4),
        ("projector screen", 0.06),
        ("clock", 0.2),
        ("blackboard", 0.08),
    ):
        if lay.chance(chance):
            for model in lay.group(
                category,
                1 + int(category == "whiteboard" and lay.chance(0.4)),
                design="on_wall" if category == "tv" else None,
            ):
                lay.on_wall(model, 0.85, 1.1)
    for model in (
        lay.group(lay.pick("cabinet", "cabinet", "table", "shelf"), lay.pick(0, 1, 1, 2)) if lay.chance(0.8) else []
    ):
        item = lay.against_wall(model, front=0.3)
        if item is not None:
            clutter(lay, item, ("telephone", "plant", "coffee maker", "printer", "water pitcher", "cup", "box"), 1.3)
    for model in lay.group("chair", lay.pick(0, 0, 2, 3)):
        lay.against_wall(model, front=0.2)
    for category, chance in (
        ("trash can", 0.6),
        ("plant", 0.4),
        ("couch", 0.1),
        ("recycling bin", 0.2),
        ("coat rack", 0.08),
    ):
        if lay.chance(chance):
            if category == "coat rack":
                lay.on_wall(lay.make(category), 1.5, 1.65)
            else:
                lay.against_wall(lay.make(category), front=0.1, corner=category in ("plant", "trash can"), gap=0.06)
    pictures(lay, [], 3, extra=("poster", "sign"))


def hallway(lay: Layout) -> None:
    """Doors, coats, shoes, benches, pictures."""
    for model in lay.group("cabinet", lay.pick(1, 1, 2), h=lay.u(0.75, 1.0)):
        item = lay.against_wall(model, front=0.5)
        if item is not None:
            clutter(lay, item, ("lamp", "telephone", "decoration", "plant", "bag", "hat", "box"), 1.6)
            if lay.chance(0.5):
                lay.on_wall(lay.make("mirror"), 1.2, 1.35, above=item, near=0.1)
    if lay.chance(0.5):
        rack = lay.against_wall(lay.make("rack"), front=0.5)
        if rack is not None:
            for model in lay.group("shoe", lay.pick(1, 2)):
                lay.on_top(model, rack, yaw=0.0)
    if lay.chance(0.5):
        hooks = lay.on_wall(lay.make("coat rack"), 1.55, 1.65)
        if hooks is not None:
            for model in lay.group("jacket", lay.pick(1, 2)):
                lay.on_wall(model, 0.65, 0.75, above=hooks, near=0.3)
    if lay.chance(0.45):
        seat = lay.against_wall(lay.make(lay.pick("bench", "bench", "chair", "stool")), front=0.5)
        if seat is not None:
            clutter(lay, seat, ("bag", "backpack", "cushion", "hat"), 0.8)
    for model in lay.group("shoe", lay.pick(0, 1, 2, 3)):
        lay.against_wall(model, front=0.0, gap=0.03)
    if lay.chance(0.35):
        for model in lay.group("closet door", 1, w=1.2):
            lay.on_wall(model, 0.005, 0.006, zones=True)
    for category, chance in HALL_EXTRAS:
        if lay.chance(chance):
            lay.against_wall(lay.make(category), front=0.5 if category in ("wardrobe", "bookshelf") else 0.2)
    if lay.chance(0.12):
        lay.on_wall(lay.make("fire extinguisher"), 0.6, 0.9)
    for model in lay.group("mat", lay.pick(0, 1, 2), w=lay.u(0.7, 1.3), d=lay.u(0.5, 0.7)):
        lay.free(model, gap=0.0)
    pictures(lay, [], 5)


def storage(lay: Layout) -> None:
    """Racks full of boxes, boxes on the floor, tools, machines for laundry."""
    racks = [lay.against_wall(model, front=0.5) for model in lay.group("shelf", lay.pick(2, 3, 4), design="rack")]
    for rack in racks:
        if rack is not None:
            fill_shelves(
                lay,
                rack,
                ("box", "storage bin", "box", "container", "basket", "storage container", "bottle", "book", "bucket"),
                chance=0.75,
            )
    if lay.chance(0.45):
        for category in lay.pick(
            ("washing machine", "clothes dryer"),
            ("washing machine",),
            ("washing machine", "clothes dryer", "laundry basket"),
        ):
            item = lay.against_wall(lay.make(category), front=0.4)
            if item is not None and item.model.tops:
                clutter(lay, item, ("laundry detergent", "basket", "towel", "bottle"), 1.2)
    for model in lay.group("box", lay.pick(2, 3, 4, 5)):
        item = lay.against_wall(model, front=0.1, gap=0.04, turn=lay.u(-0.3, 0.3))
        if item is not None and lay.chance(0.4) and item.model.design == "carton":
            smaller = lay.make("box", "carton", w=item.model.size[0] * 0.85, d=item.model.size[1] * 0.8)
            stacked = lay.new(
                smaller, (item.x, item.y), item.model.size[2] + 0.002, item.yaw + lay.u(-0.2, 0.2), "on", on=item.id
            )
            if lay.fits(stacked):
                lay.add(stacked)
    for category, chance in STORE_EXTRAS:
        if lay.chance(chance):
            item = lay.against_wall(lay.make(category), front=0.1)
            if item is not None and item.model.tops:
                clutter(lay, item, ("box", "container", "bucket", "book", "bag"), 1.0)
    if lay.chance(0.3):
        desk_with_screen(lay, chair="chair")
    if lay.chance(0.1):
        lay.on_wall(lay.make("pipe", h=min(2.3, lay.height - 0.1)), 0.01, 0.02)
    pictures(lay, [], 1, extra=("calendar", "sign"))
