"""Rooms to sleep in of version 2: bedrooms, studio flats, hospital rooms."""

from math import pi

from saymask.rooms.kinds.groups import clutter, desk_with_screen, fill_shelves, pictures, rug_under, seats_at
from saymask.rooms.layout import Layout, Placed


def place_bed(lay: Layout, design: str | None = None, **wish: float) -> Placed | None:
    """Stand a bed with its head, or one long side, to a wall; often in a corner."""
    for attempt in range(4):
        model = lay.make("bed", design, **wish)
        sideways = model.design == "daybed" or (model.size[0] < 1.5 and lay.chance(0.4))
        turn = lay.pick(-pi / 2, pi / 2) if sideways else 0.0
        corner = lay.chance(0.35 if not sideways else 0.7)
        bed = lay.against_wall(
            model, front=0.5 if attempt < 2 else 0.2, corner=corner, turn=turn, gap=lay.u(0.01, 0.06)
        )
        if bed is not None:
            return bed
    return None


def make_up(lay: Layout, bed: Placed) -> None:
    """Put pillows at a bed's head and other things on it."""
    wide = bed.model.size[0] > 1.3
    if len(bed.model.tops) < 2:
        return
    for model in lay.group("pillow", lay.pick(1, 2, 2, 3, 4) if wide else lay.pick(0, 1, 1, 2)):
        lay.on_top(model, bed, at=(lay.rng.random_sample(), 0.9 if model.size[1] < 0.3 else 0.5), spread=0.15, top=0)
    for category, chance in (
        ("cushion", 0.25), ("blanket", 0.25), ("clothes", 0.25), ("stuffed animal", 0.1), ("laptop", 0.06),
        ("bag", 0.08),
        ("book", 0.08), ("towel", 0.06), ("backpack", 0.05), ("jacket", 0.03), ("hat", 0.02),
    ):  # fmt: skip
        if lay.chance(chance):
            lay.on_top(lay.make(category), bed, top=1)


def beside_bed(lay: Layout, bed: Placed, chance: float = 0.75) -> None:
    """Stand nightstands with their things at a bed's head, where there is room."""
    stand = lay.make("nightstand")
    for side in (-1, 1):
        if not lay.chance(chance):
            continue
        model = (
            stand if lay.chance(0.7) else lay.make(lay.pick("nightstand", "nightstand", "end table", "stool", "stand"))
        )
        placed = lay.beside(model, bed, side, gap=lay.u(0.03, 0.15))
        if placed is not None and placed.model.tops:
            if lay.chance(0.6):
                lay.on_top(lay.make("lamp", "table_lamp"), placed, at=(0.5, 0.7))
            clutter(lay, placed, ("book", "alarm clock", "cup", "tissue box", "telephone", "bottle", "candle"), 0.9)


def bedroom(lay: Layout) -> None:
    """One to three beds, made or not, nightstands, wardrobes, a dresser, a desk, an armchair, a rug."""
    count = lay.pick(1, 1, 1, 1, 2, 2, 3) if lay.area > 12 else 1
    same = lay.make("bed").design if count > 1 else None
    beds = [bed for bed in (place_bed(lay, same) for _ in range(count)) if bed is not None]
    for bed in beds:
        make_up(lay, bed)
        beside_bed(lay, bed)
    for category in lay.pick(
        ("wardrobe",), ("wardrobe", "dresser"), ("dresser",), ("closet",), ("wardrobe", "cabinet"), ("shelf",), (),
        ("dresser", "wardrobe", "wardrobe"),
    ):  # fmt: skip
        placed = lay.against_wall(lay.make(category), front=0.5, corner=lay.chance(0.3))
        if placed is not None and category == "dresser":
            if lay.chance(0.5):
                lay.on_wall(lay.make("mirror"), 1.05, 1.4, above=placed, near=0.2)
            elif lay.chance(0.4):
                lay.on_top(lay.make("tv", "on_stand"), placed, yaw=0.0)
            clutter(lay, placed, ("lamp", "book", "decoration", "plant", "candle", "box", "speaker", "clothes"), 1.6)
        elif placed is not None and lay.chance(0.4):
            fill_shelves(lay, placed, ("clothes", "box", "book", "suitcase", "basket", "bag"))
    if lay.chance(0.45):
        desk_with_screen(lay, chair=lay.pick("chair", "office chair", "stool"))
    for category, chance, front in (
        ("bookshelf", 0.3, 0.4), ("armchair", 0.25, 0.4), ("chair", 0.25, 0.2), ("ottoman", 0.12, 0.1),
        ("bench", 0.1, 0.2), ("mirror", 0.0, 0.0), ("couch", 0.08, 0.6), ("end table", 0.08, 0.2),
        ("laundry hamper", 0.15, 0.0), ("trash can", 0.25, 0.0), ("coat rack", 0.0, 0.0), ("tv stand", 0.12, 0.5),
    ):  # fmt: skip
        if lay.chance(chance):
            placed = lay.against_wall(lay.make(category), front=front, turn=lay.u(-0.4, 0.4) if front == 0.4 else 0.0)
            if placed is not None and category == "tv stand":
                lay.on_top(lay.make("tv", "on_stand"), placed, yaw=0.0)
            elif placed is not None and category == "bookshelf":
                fill_shelves(lay, placed, ("decoration", "plant", "box", "basket", "stuffed animal", "clock"))
    for bed in beds[:1]:
        if lay.chance(0.3):
            lay.before(lay.make(lay.pick("bench", "ottoman", "storage bin", "box")), bed, lay.u(0.03, 0.15))
        if lay.chance(0.4):
            rug_under(lay, bed)
    if lay.chance(0.15):
        lay.on_wall(lay.make("tv", "on_wall"), 1.0, 1.5)
    pictures(lay, beds, 4)


def hospital_room(lay: Layout) -> None:
    """Beds on castors between curtains, with chairs, a cabinet, a screen, a basin and bins."""
    count = 1 if lay.area < 16 else lay.pick(1, 2, 3)
    for _ in range(count):
        bed = lay.against_wall(lay.make("bed", "hospital"), front=0.6, tries=60)
        if bed is None:
            continue
        if lay.chance(0.8):
            lay.on_top(lay.make("pillow", lay.pick("plump", "leaning"), "white"), bed, top=0, at=(0.5, 0.95))
        side = lay.pick(-1, 1)
        stand = lay.beside(lay.make(lay.pick("nightstand", "cart", "cabinet")), bed, side, gap=0.08)
        if stand is not None:
            clutter(lay, stand, ("cup", "telephone", "tissue box", "bottle", "water pitcher", "tray", "plant"), 1.4)
        lay.beside(lay.make(lay.pick("chair", "armchair", "armchair")), bed, -side, gap=0.3)
        lay.on_wall(lay.make("light", "strip"), 1.7, 1.9, above=bed)
        if lay.chance(0.5):
            lay.on_wall(lay.make("power outlet"), 1.2, 1.4, above=bed, near=0.4)
    for category, chance in (("tv", 0.5), ("whiteboard", 0.25), ("clock", 0.4), ("soap dispenser", 0.5),
                             ("paper towel dispenser", 0.4), ("handicap bar", 0.3), ("rail", 0.2)):  # fmt: skip
        if lay.chance(chance):
            design = {"tv": "on_wall", "soap dispenser": "wall"}.get(category)
            low = {"handicap bar": 0.8, "rail": 0.8, "tv": 1.5, "clock": 1.7}.get(category, 1.1)
            lay.on_wall(lay.make(category, design), low, low + 0.25)
    if lay.chance(0.6):
        lay.against_wall(lay.make("sink", "pedestal"), front=0.4)
    for category in ("trash can", "cabinet", "chair", "bin", "wardrobe", "curtain", "stool"):
        if lay.chance(0.4) and category != "curtain":
            lay.against_wall(lay.make(category), front=0.1)
    if lay.chance(0.5):
        lay.free(lay.make("divider"), gap=0.05)


def studio(lay: Layout) -> None:
    """One room to sleep, cook, eat and work in."""
    from saymask.rooms.kinds.home import kitchen

    bed = place_bed(lay)
    if bed is not None:
        make_up(lay, bed)
        beside_bed(lay, bed, 0.4)
    kitchen(lay)
    if lay.chance(0.6):
        sofa = lay.against_wall(lay.make("couch", lay.pick("sofa", "sofa", "corner_sofa")), front=0.6, tries=60)
        if sofa is not None:
            for model in lay.group("pillow", lay.pick(0, 1, 2, 3), square=1):
                lay.on_top(model, sofa)
            table = lay.before(lay.make("coffee table"), sofa, lay.u(0.3, 0.5))
            if table is not None:
                clutter(lay, table, ("book", "cup", "laptop", "bottle", "plate", "candle"), 1.8)
    stand = lay.against_wall(lay.make("tv stand"), front=0.5)
    if stand is not None and lay.chance(0.8):
        lay.on_top(lay.make("tv", "on_stand"), stand, yaw=0.0)
    if lay.chance(0.5):
        desk_with_screen(lay, chair=lay.pick("chair", "office chair"))
    elif lay.chance(0.5):
        table = lay.against_wall(lay.make("table", w=lay.u(0.8, 1.2), d=0.66), front=0.4)
        if table is not None:
            seats_at(lay, table, "chair", 2)
    for category, chance in (("wardrobe", 0.6), ("bookshelf", 0.4), ("shelf", 0.4), ("dresser", 0.3), ("bicycle", 0.12),
                             ("plant", 0.4), ("lamp", 0.4), ("trash can", 0.4), ("suitcase", 0.2)):  # fmt: skip
        if lay.chance(chance):
            item = lay.against_wall(lay.make(category, "floor_lamp" if category == "lamp" else None), front=0.2)
            if item is not None:
                fill_shelves(lay, item, ("book", "box", "clothes", "basket", "decoration", "plant"))
    pictures(lay, [], 4)
