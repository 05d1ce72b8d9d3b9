"""Rooms of version 2 where many people come: lounges, classrooms, copy rooms, gyms, laundry rooms, open plans."""

from math import pi

from saymask.rooms.kinds.groups import clutter, fill_shelves, pictures, rug_under
from saymask.rooms.kinds.home import kitchen, living_room
from saymask.rooms.layout import Layout


def open_plan(lay: Layout) -> None:
    """A kitchen and a living room in one."""
    kitchen(lay)
    living_room(lay)


def lounge(lay: Layout) -> None:
    """Groups of sofas and armchairs around low tables, a reception or a bar, plants, a cooler."""
    if lay.chance(0.35):
        desk = lay.free(lay.make(lay.pick("bar", "counter")), gap=0.8)
        if desk is not None:
            clutter(lay, desk, ("monitor", "telephone", "paper", "plant", "laptop", "cup", "tissue box"), 2.0)
            if lay.chance(0.5):
                for model in lay.group("stool", lay.pick(2, 3)):
                    lay.before(model, desk, lay.u(0.0, 0.2), shift=lay.u(-0.6, 0.6), turn=pi)
    seat = lay.pick("armchair", "sofa chair", "chair", "couch")
    for _ in range(lay.pick(1, 2, 2, 3)):
        table = lay.free(lay.make(lay.pick("coffee table", "coffee table", "table", "end table", "ottoman")), gap=0.6)
        if table is None:
            continue
        for model in lay.group(seat if lay.chance(0.6) else lay.pick("armchair", "couch", "chair"), lay.pick(2, 3, 4)):
            for side in lay.pick((0, 1, 2, 3), (2, 0, 3, 1)):
                turn = side * pi / 2
                out = table.model.size[1 - side % 2] / 2 + lay.u(0.25, 0.5) + model.size[1] / 2
                x, y = ((0, -out), (out, 0), (0, out), (-out, 0))[side]
                item = lay.new(model, table.world(x, y), 0.0, table.yaw + turn + pi + lay.u(-0.2, 0.2), "floor")
                if lay.fits(item):
                    lay.add(item)
                    break
        clutter(lay, table, ("book", "cup", "plant", "paper", "bottle", "bowl", "candle", "laptop"), 1.5)
        if lay.chance(0.3):
            rug_under(lay, table)
    for _ in range(lay.pick(0, 1, 2)):
        lay.against_wall(lay.make("couch"), front=0.5)
    for model in lay.group("chair", lay.pick(0, 0, 2, 4, 6)):
        lay.against_wall(model, front=0.3)
    for category, chance in (("plant", 0.6), ("plant", 0.4), ("water cooler", 0.25), ("bookshelf", 0.3),
                             ("piano", 0.05),
                             ("trash can", 0.5), ("recycling bin", 0.3), ("cabinet", 0.3), ("machine", 0.2),
                             ("bench", 0.3), ("fireplace", 0.05), ("lamp", 0.3), ("shelf", 0.2)):  # fmt: skip
        if lay.chance(chance):
            item = lay.against_wall(lay.make(category, "floor_lamp" if category == "lamp" else None), front=0.2)
            if item is not None:
                fill_shelves(lay, item, ("book", "decoration", "plant", "box", "paper"))
    if lay.chance(0.5):
        lay.on_wall(lay.make("tv", "on_wall"), 1.1, 1.6)
    pictures(lay, [], 5, extra=("sign", "poster", "clock"))


def classroom(lay: Layout) -> None:
    """Rows of desks and chairs before a board, a teacher's table, a screen, shelves, bags."""
    along_x = lay.width >= lay.depth
    yaw = lay.pick(0.0, pi) if not along_x else lay.pick(pi / 2, -pi / 2)
    kind, design = lay.pick(("desk", "school"), ("table", "various"), ("table", "folding"), ("desk", "office"))
    wish = {} if design == "school" else {"w": lay.u(1.2, 1.6), "d": 0.6}
    model = lay.make(kind, design, **wish)
    chair = lay.make("chair")
    pitch_x, pitch_y = model.size[0] + lay.u(0.15, 0.6), model.size[1] + lay.u(0.75, 1.0)
    long, wide = (lay.width, lay.depth) if along_x else (lay.depth, lay.width)
    for i in range(int((wide - 1.0) / pitch_x)):
        for j in range(int((long - 2.2) / pitch_y)):
            u, v = 0.6 + (i + 0.5) * pitch_x, 1.4 + j * pitch_y
            at = (v, u) if along_x else (u, v)
            item = lay.new(model, at, 0.0, yaw + lay.u(-0.05, 0.05), "floor")
            if not lay.fits(item):
                continue
            desk = lay.add(item)
            for k in range(1 if model.size[0] < 1.0 else 2):
                shift = 0.0 if model.size[0] < 1.0 else (k - 0.5) * model.size[0] * 0.5
                same = lay.make("chair", chair.design, chair.color) if lay.chance(0.9) else lay.make("chair")
                lay.before(same, desk, lay.u(-0.25, 0.1), shift=shift, turn=pi + lay.u(-0.2, 0.2))
            clutter(lay, desk, ("paper", "book", "laptop", "cup", "bottle", "backpack"), 0.5)
    boards = lay.group(lay.pick("whiteboard", "blackboard", "whiteboard"), lay.pick(1, 1, 2))
    for board in boards:
        lay.on_wall(board, 0.8, 1.0)
    if lay.chance(0.5):
        lay.on_wall(lay.make("projector screen"), 1.0, 1.2)
    teacher = lay.against_wall(lay.make(lay.pick("desk", "table")), front=0.5)
    if teacher is not None:
        clutter(lay, teacher, ("monitor", "paper", "book", "laptop", "telephone", "cup"), 1.5)
    for category, chance in (("bookshelf", 0.4), ("cabinet", 0.5), ("trash can", 0.7), ("recycling bin", 0.3),
                             ("shelf", 0.3), ("stand", 0.15), ("cart", 0.15), ("piano", 0.05),
                             ("stool", 0.2)):  # fmt: skip
        if lay.chance(chance):
            item = lay.against_wall(lay.make(category), front=0.2)
            if item is not None:
                fill_shelves(lay, item, ("book", "box", "paper", "storage bin", "basket"))
    for _ in range(lay.pick(0, 1, 2, 4)):
        lay.free(lay.make("backpack"), gap=0.0)
    pictures(lay, [], 3, extra=("clock", "bulletin board", "poster", "calendar"))


def copy_room(lay: Layout) -> None:
    """Copiers and printers, counters with paper, shelves, letter boxes, bins."""
    for model in lay.group("copier", lay.pick(1, 1, 2)):
        lay.against_wall(model, front=0.6)
    for category in lay.pick(("counter",), ("table",), ("counter", "table"), ("cabinet", "table")):
        top = lay.against_wall(lay.make(category), front=0.5)
        if top is not None:
            clutter(
                lay, top, ("printer", "paper", "paper cutter", "box", "tray", "telephone", "book", "container"), 3.5
            )
            if lay.chance(0.5):
                lay.on_wall(lay.make("kitchen cabinet"), 1.45, 1.6, above=top, near=0.2)
    for category, chance in (("shelf", 0.7), ("file cabinet", 0.6), ("file cabinet", 0.4), ("cabinet", 0.5),
                             ("cart", 0.2),
                             ("water cooler", 0.15), ("bookshelf", 0.3), ("machine", 0.15)):  # fmt: skip
        if lay.chance(chance):
            item = lay.against_wall(lay.make(category), front=0.3)
            if item is not None:
                fill_shelves(lay, item, ("box", "paper", "storage bin", "book", "container"), chance=0.7)
    for model in lay.group("recycling bin", lay.pick(1, 2, 3)):
        lay.against_wall(model, front=0.0, gap=0.03)
    for _ in range(lay.pick(0, 1, 2, 4)):
        lay.against_wall(lay.make("box"), front=0.0, gap=0.03, turn=lay.u(-0.3, 0.3))
    if lay.chance(0.5):
        lay.on_wall(lay.make("mailbox"), 0.9, 1.2)
    if lay.chance(0.4):
        lay.on_wall(lay.make("bulletin board"), 1.0, 1.2)
    pictures(lay, [], 2, extra=("calendar", "clock", "sign"))


def laundry_room(lay: Layout) -> None:
    """Rows of washing machines and dryers, baskets, an ironing board, a sink, shelves with detergent."""
    wall = max(lay.walls, key=lambda w: w.length)
    models = lay.group("washing machine", lay.pick(1, 2, 3)) + lay.group("clothes dryer", lay.pick(1, 1, 2))
    u = lay.u(0.05, max(0.06, wall.length * 0.3))
    for model in models:
        item = lay.against_wall(model, walls=(wall.index,), u=u + model.size[0] / 2 + 0.02, front=0.5)
        item = item or lay.against_wall(model, front=0.4)
        u += model.size[0] + lay.u(0.01, 0.05)
        if item is not None and item.model.tops:
            clutter(lay, item, ("laundry detergent", "basket", "towel", "bottle", "clothes"), 0.9)
    if lay.chance(0.5):
        lay.on_wall(lay.make("shelf", "wall_board"), 1.4, 1.6)
    for category, chance in (("sink", 0.4), ("shelf", 0.5), ("cabinet", 0.5), ("ironing board", 0.4), ("table", 0.4),
                             ("laundry hamper", 0.4), ("trash can", 0.5), ("ladder", 0.1), ("vacuum cleaner", 0.25),
                             ("broom", 0.3), ("bucket", 0.4)):  # fmt: skip
        if lay.chance(chance):
            item = lay.against_wall(lay.make(category, "pedestal" if category == "sink" else None), front=0.2)
            if item is not None:
                fill_shelves(lay, item, ("laundry detergent", "towel", "basket", "box", "bottle", "clothes"))
    for model in lay.group("laundry basket", lay.pick(0, 1, 2, 3)):
        lay.free(model, gap=0.05)
    for _ in range(lay.pick(0, 1, 3)):
        lay.free(lay.make("clothes"), gap=0.0)


def gym(lay: Layout) -> None:
    """Exercise machines, weights, balls, mats, mirrors and benches."""
    machine = lay.make("machine")
    for _ in range(lay.pick(2, 3, 4, 6)):
        model = lay.make("machine", machine.design) if lay.chance(0.6) else lay.make("machine")
        if lay.against_wall(model, front=0.3, gap=0.25) is None:
            lay.free(model, gap=0.4)
    for category, n in (("dumbbell", lay.pick(2, 4, 6)), ("ball", lay.pick(1, 2, 3)), ("bench", lay.pick(0, 1, 2)),
                        ("fan", lay.pick(0, 1))):  # fmt: skip
        for model in lay.group(category, n) if n else []:
            lay.free(model, gap=0.1)
    for model in lay.group("mat", lay.pick(0, 2, 3), w=1.7, d=0.65):
        lay.free(model, gap=0.05)
    for _ in range(lay.pick(0, 1, 2, 3)):
        lay.on_wall(lay.make("mirror"), 0.3, 0.6)
    for category, chance in (("shelf", 0.5), ("rack", 0.5), ("water cooler", 0.3), ("trash can", 0.6), ("cabinet", 0.3),
                             ("chair", 0.3), ("speaker", 0.2)):  # fmt: skip
        if lay.chance(chance):
            item = lay.against_wall(lay.make(category), front=0.3)
            if item is not None:
                fill_shelves(lay, item, ("ball", "towel", "water bottle", "dumbbell", "box", "shoe"))
    if lay.chance(0.5):
        lay.on_wall(lay.make("tv", "on_wall"), 1.5, 1.8)
    for _ in range(lay.pick(0, 1, 2)):
        lay.free(lay.make(lay.pick("water bottle", "towel", "backpack", "shoe")), gap=0.0)
    pictures(lay, [], 2, extra=("clock", "poster", "sign"))
