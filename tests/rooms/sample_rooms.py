"""Rooms made by hand and at random, for the tests of the sentences; nothing here needs a mesh."""

import math

import numpy as np

from saymask.rooms.room import Room, Thing

SQUARE = ((0.0, 0.0), (6.0, 0.0), (6.0, 5.0), (0.0, 5.0))


def thing(
    id: int,
    category: str,
    x: float,
    y: float,
    size: tuple[float, float, float] = (0.5, 0.5, 0.8),
    *,
    z: float = 0.0,
    yaw: float = 0.0,
    color: str | None = "brown",
    material: str | None = None,
    shape: str | None = None,
    on: int | None = None,
    mount: str = "floor",
    wall: int | None = None,
    fronted: bool = False,
) -> Thing:
    """Return a thing whose box starts at height z."""
    return Thing(
        id=id, category=category, design="box", color=color, material=material, shape=shape,
        center=(x, y, z + size[2] / 2), size=size, yaw=yaw, on=on, mount=mount, wall=wall, fronted=fronted,
    )  # fmt: skip


def room(*things: Thing, floor: tuple[tuple[float, float], ...] = SQUARE, id: str = "room0000_00") -> Room:
    return Room(id=id, kind="office", floor=floor, height=2.6, things=tuple(things))


def office(seed: int = 0) -> Room:
    """A random office with bedroom parts: desks on the walls, chairs at them, things on them, a bed, pictures."""
    rng = np.random.RandomState(seed)
    colors = ["white", "grey", "black", "brown", "red", "blue", "green", "beige", None]
    made: list[Thing] = []

    def add(category: str, x: float, y: float, size: tuple[float, float, float], **more) -> int:
        more.setdefault("color", colors[rng.randint(len(colors))])
        made.append(thing(len(made), category, x, y, size, **more))
        return len(made) - 1

    def jitter(v: float) -> float:
        return float(v + rng.uniform(-0.05, 0.05))

    add("door", jitter(1.0), 0.0, (0.9, 0.08, 2.0), yaw=math.pi, mount="wall", wall=0, fronted=True, color="white")
    add("window", jitter(3.0), 5.0, (1.4, 0.1, 1.2), z=0.9, mount="wall", wall=2, fronted=True, color="white")
    for i, x in enumerate((1.0, 2.6, 4.2)[: 2 + rng.randint(2)]):
        desk = add("desk", jitter(x), 4.6, (1.3, 0.7, 0.74), wall=2, fronted=True, material="wood",
                   color=colors[rng.randint(4)], shape="rectangular")  # fmt: skip
        add("office chair", jitter(x), jitter(3.9), (0.6, 0.6, 1.0), yaw=math.pi, fronted=True)
        if rng.rand() < 0.8:
            add("monitor", jitter(x), 4.7, (0.5, 0.15, 0.4), z=0.74, on=desk, mount="on", fronted=True, color="black")
        if i != 1:
            add("keyboard", jitter(x), 4.4, (0.4, 0.15, 0.03), z=0.74, on=desk, mount="on", color="black")
    bed = add("bed", 5.0, 1.2, (1.5, 2.0, 0.6), yaw=-math.pi / 2, wall=1, fronted=True, color=colors[rng.randint(6)])
    for y in (0.75, 1.65):
        add("pillow", 5.7, jitter(y), (0.5, 0.35, 0.12), z=0.5, yaw=math.pi / 2, on=bed, mount="on")
    stand = add("nightstand", 5.75, jitter(2.25), (0.45, 0.4, 0.5), yaw=-math.pi / 2, wall=1, fronted=True)
    add("lamp", 5.75, 2.25, (0.25, 0.25, 0.45), z=0.5, on=stand, mount="on")
    for i, x in enumerate((2.2, 3.2, 4.2)):
        size = (0.5, 0.04, 0.4) if i else (0.9, 0.04, 0.7)
        add("picture", jitter(x), 0.02, size, z=1.3, yaw=math.pi, mount="wall", wall=0, fronted=True)
    couch = add("couch", jitter(2.6), 0.5, (1.8, 0.85, 0.8), yaw=math.pi, wall=0, fronted=True)
    if rng.rand() < 0.6:
        add("pillow", 2.4, 0.5, (0.45, 0.2, 0.4), z=0.45, on=couch, mount="on")
    add("coffee table", jitter(2.6), jitter(1.6), (1.0, 0.6, 0.42), material="wood", color="brown", shape="rectangular")
    add("trash can", 0.25, 4.7, (0.3, 0.3, 0.4), color="black", shape="round")
    add("trash can", jitter(5.3), jitter(4.7), (0.3, 0.3, 0.4), shape="round")
    add("bookshelf", 0.2, jitter(2.0), (1.0, 0.3, 1.9), yaw=math.pi / 2, wall=3, fronted=True, material="wood")
    add("cabinet", 0.25, jitter(3.2), (0.8, 0.4, 1.0), yaw=math.pi / 2, wall=3, fronted=True)
    add("plant", jitter(5.6), jitter(3.4), (0.4, 0.4, 0.9), color="green")
    return room(*made, id=f"room{seed:04d}_00")


def boxes(seed: int, count: int) -> Room:
    """A room of random boxes that may overlap: for properties that hold whatever the geometry."""
    rng = np.random.RandomState(seed)
    names = [
        "chair",
        "office chair",
        "table",
        "desk",
        "lamp",
        "box",
        "couch",
        "picture",
        "door",
        "bed",
        "pillow",
        "rug",
    ]
    made: list[Thing] = []
    for id in range(count):
        mount = ["floor", "floor", "floor", "wall", "on", "ceiling"][rng.randint(6)] if made else "floor"
        size = tuple(float(v) for v in rng.uniform(0.1, 1.8, 3))
        made.append(
            thing(
                id * 3 + 1,
                names[rng.randint(len(names))],
                float(rng.uniform(0, 6)),
                float(rng.uniform(0, 5)),
                (size[0], size[1], size[2]),
                z=float(rng.uniform(0, 1)) if mount != "floor" else 0.0,
                yaw=float(rng.uniform(-4, 4)),
                color=[None, "red", "white", "brown", "blue"][rng.randint(5)],
                material=[None, "wood", "metal"][rng.randint(3)],
                shape=[None, "round", "square"][rng.randint(3)],
                on=made[rng.randint(len(made))].id if mount == "on" else None,
                mount=mount,
                wall=int(rng.randint(4)) if mount == "wall" or rng.rand() < 0.3 else None,
                fronted=bool(rng.rand() < 0.5),
            )
        )
    return room(*made, id=f"room{seed:04d}_01")
