"""The 3D view of one browser: the scan, marks, names, clicks, lines, and its camera."""

import threading
import time
from collections.abc import Sequence

import numpy as np
import viser

from saymask.scan import Scan
from saymask.viewer.display import Display
from saymask.viewer.glb import mesh_glb

LIFT = 0.004
"""Metres by which a marked face lies before the scan's own, so that it is the one that is seen."""
MOST_MARKED = 150_000
"""Points of one mark that are drawn on top of the scan."""
FLIGHT = 0.7
"""Seconds that the camera takes to an object."""
FIELD = 0.87
"""Vertical field of view in radians."""


class Drawing:
    """The 3D part of one browser's page."""

    def __init__(self, client: viser.ClientHandle) -> None:
        self.client = client
        self.display: Display | None = None
        self.ceiling = False
        self._colors: np.ndarray | None = None
        self._parts: list[viser.SceneNodeHandle] = []
        self._extras: dict[str, list[viser.SceneNodeHandle]] = {}
        self._side: int | None = None
        self._flight = 0
        self._lock = threading.RLock()
        client.scene.configure_default_lights(enabled=False)
        client.camera.on_update(lambda camera: self.turn(camera.position, camera.look_at))

    # ---- the scan

    def open(self, scan: Scan, display: Display, colors: np.ndarray) -> None:
        """Draw another scan, from a place where all of it is seen; colors uint8 [n, 3] of the drawn points."""
        with self._lock, self.client.atomic():
            self._clear()
            self.display = display
            self._send(colors)
        self.home(fly=False)

    def paint(self, colors: np.ndarray) -> None:
        """Give the drawn points other colours uint8 [n, 3]."""
        with self._lock:
            if self._colors is None or np.array_equal(colors, self._colors):
                return
            with self.client.atomic():
                self._send(colors)

    def _send(self, colors: np.ndarray) -> None:
        assert self.display is not None
        display, old = self.display, self._parts
        clouds = [node for node in old if isinstance(node, viser.PointCloudHandle)]
        if old and len(clouds) == len(old):
            for part, node in zip(display.parts, clouds, strict=True):
                node.colors = colors[part.rows]
        else:
            # A mesh cannot change its colours: the new one is there before the old one goes.
            self._parts = [
                self._node(f"/scan/{time.monotonic_ns()}_{i}", part.rows, part.faces, colors)
                for i, part in enumerate(display.parts)
            ]
            if old:
                threading.Timer(0.6, lambda: [node.remove() for node in old]).start()
        self._colors = colors
        self._hide()

    def _node(self, name: str, rows: np.ndarray, faces: np.ndarray | None, colors: np.ndarray) -> viser.SceneNodeHandle:
        assert self.display is not None
        points = self.display.points[rows]
        if faces is not None:
            return self.client.scene.add_glb(name, mesh_glb(points, faces, colors[rows]))
        return self.client.scene.add_point_cloud(
            name, points, colors[rows], point_size=self.display.size, point_shape="circle", precision="float32",
            point_shading="flat",
        )  # fmt: skip

    def turn(self, eye: np.ndarray, target: np.ndarray) -> None:
        """Hide the walls that stand between a camera at `eye` [3], which looks at `target`, and the room."""
        with self._lock:
            if self.display is None:
                return
            inside = bool(((eye > self.display.low) & (eye < self.display.high)).all())
            side = None if inside else self.display.side(eye - target)
            if side != self._side:
                self._side = side
                self._hide()

    def show_ceiling(self, shown: bool) -> None:
        """Draw the ceiling, or cut it off."""
        with self._lock:
            self.ceiling = shown
            self._hide()

    def _hide(self) -> None:
        assert self.display is not None
        for part, node in zip(self.display.parts, self._parts, strict=True):
            visible = not part.hidden(self._side, self.ceiling)
            if node.visible != visible:
                node.visible = visible

    def visible(self) -> np.ndarray:
        """Return which drawn points are seen from here, bool [n]."""
        assert self.display is not None
        return self.display.visible(self._side, self.ceiling)

    # ---- what is put into it

    def mark(self, scan: Scan, marks: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
        """Draw marks over the scan, also where a wall is cut away: points bool [N] and their colours uint8 [N', 3]."""
        assert self.display is not None
        nodes = []
        with self._lock, self.client.atomic():
            for i, (bits, colors) in enumerate(marks):
                name = f"/marks/{time.monotonic_ns()}_{i}"
                rows = np.flatnonzero(bits)
                if not len(rows):
                    continue
                if self.display.parts[0].faces is not None and scan.faces is not None:
                    faces = scan.faces[bits[scan.faces].all(1)]
                    if len(faces):
                        row = np.cumsum(bits) - 1
                        lifted = scan.points[rows] + LIFT * _vertex_normals(scan.points, faces, len(scan))[rows]
                        nodes.append(self.client.scene.add_glb(name, mesh_glb(lifted, row[faces], colors)))
                    continue
                step = max(1, len(rows) // MOST_MARKED)
                nodes.append(
                    self.client.scene.add_point_cloud(
                        name,
                        scan.points[rows[::step]],
                        colors[::step],
                        point_size=1.12 * self.display.size,
                        point_shape="circle",
                        precision="float32",
                        point_shading="flat",
                    )
                )
            self._replace("marks", nodes)

    def names(self, texts: Sequence[tuple[str, np.ndarray]]) -> None:
        """Write texts at places [3] in metres."""
        self._replace(
            "names",
            [
                self.client.scene.add_label(
                    f"/names/{time.monotonic_ns()}_{i}", text, position=place, anchor="bottom-center",
                    font_screen_scale=1.1,
                )
                for i, (text, place) in enumerate(texts)
            ],
        )  # fmt: skip

    def boxes(self, boxes: Sequence[tuple[np.ndarray, np.ndarray, float, tuple[int, int, int]]]) -> None:
        """Draw the edges of upright boxes: centre [3], size [3], turn about z in radians, colour."""
        self._replace(
            "boxes",
            [
                self.client.scene.add_line_segments(
                    f"/boxes/{time.monotonic_ns()}_{i}",
                    points=_edges(center, size, turn),
                    colors=color,
                    thickness=2.5,
                    thickness_units="screen",
                )
                for i, (center, size, turn, color) in enumerate(boxes)
            ],
        )

    def clicks(self, places: Sequence[tuple[np.ndarray, tuple[int, int, int]]]) -> None:
        """Draw a ball at each place [3] in its colour."""
        self._replace("clicks", [self._ball(place, color) for place, color in places])

    def click(self, place: np.ndarray, color: tuple[int, int, int]) -> None:
        """Draw a ball at once, before the answer to it is there."""
        self._extras.setdefault("clicks", []).append(self._ball(place, color))

    def _ball(self, place: np.ndarray, color: tuple[int, int, int]) -> viser.SceneNodeHandle:
        name = f"/clicks/{time.monotonic_ns()}"
        return self.client.scene.add_icosphere(
            name, radius=0.028, color=color, position=place, material="standard", cast_shadow=False,
            receive_shadow=False,
        )  # fmt: skip

    def measured(self, lines: Sequence[tuple[np.ndarray, np.ndarray, str]], open_end: np.ndarray | None) -> None:
        """Draw lines between places [3] with a text in their middle, and the first end of the next one."""
        ink = (20, 90, 220)
        nodes: list[viser.SceneNodeHandle] = []
        for i, (a, b, text) in enumerate(lines):
            stamp = f"/measured/{time.monotonic_ns()}_{i}"
            ends = np.stack([a, b])[None].astype(np.float32)
            line = self.client.scene.add_line_segments(
                stamp, points=ends, colors=ink, thickness=4, thickness_units="screen"
            )
            nodes.append(line)
            middle = (np.asarray(a) + np.asarray(b)) / 2
            nodes.append(self.client.scene.add_label(f"{stamp}_text", text, position=middle, anchor="bottom-center"))
            nodes += [self._ball(end, ink) for end in (a, b)]
        if open_end is not None:
            nodes.append(self._ball(open_end, ink))
        self._replace("measured", nodes)

    def _replace(self, what: str, nodes: Sequence[viser.SceneNodeHandle]) -> None:
        with self._lock:
            for node in self._extras.pop(what, []):
                node.remove()
            self._extras[what] = list(nodes)

    def _clear(self) -> None:
        for what in list(self._extras):
            self._replace(what, [])
        for node in self._parts:
            node.remove()
        self._parts, self._colors, self._side = [], None, None

    # ---- the camera

    def home(self, *, fly: bool = True) -> None:
        """Look at all of the scan, from the side that shows most of it."""
        display = self.display
        assert display is not None
        if display.single_view is not None:
            back = display.single_view - display.middle.mean(0)
            back[2] = max(back[2], 0.0) + 0.15
        else:
            back = display.best_side
        self._to(display.middle, back, fly)

    def fly_to(self, low: np.ndarray, high: np.ndarray) -> None:
        """Fly to where a box, corners [3] in metres, is seen well and with what is around it."""
        middle = (low + high) / 2
        back = np.asarray(self.client.camera.position) - np.asarray(self.client.camera.look_at)
        flat = back[:2] / max(float(np.linalg.norm(back[:2])), 1e-9)
        room = np.maximum((high - low) / 2 * 1.25, 0.9)
        corner = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        self._to(middle + corner * room, np.array([*flat * 0.75, 0.66]), True)

    def _to(self, points: np.ndarray, back: np.ndarray, fly: bool) -> None:
        """Move the camera to the direction `back` [3] from points float64 [n, 3], as near as they fit into the view."""
        back = back / np.linalg.norm(back)
        right = np.cross([0.0, 0.0, 1.0], back)
        right /= max(float(np.linalg.norm(right)), 1e-9)
        up = np.cross(back, right)
        aspect = max(self.client.camera.aspect, 0.2)
        # on a phone the panel covers the lower half
        tall, lower = (0.92, 0.0) if aspect > 0.8 else (0.45, 0.5)
        tall *= np.tan(FIELD / 2)
        wide = 0.92 * np.tan(FIELD / 2) * aspect
        middle, distance = (points.min(0) + points.max(0)) / 2, 1.0
        for _ in range(3):  # the middle of the picture moves with the distance
            across, high, near = (points - middle) @ right, (points - middle) @ up, (points - middle) @ back
            distance = float((np.maximum(np.abs(across) / wide, np.abs(high) / tall) + near).max())
            depth = np.maximum(distance - near, 0.1)
            for axis, values in ((right, across / depth), (up, high / depth)):
                middle = middle + axis * float(values.min() + values.max()) / 2 * distance
        eye = middle + back * distance - up * lower * np.tan(FIELD / 2) * distance
        target = eye - back * distance
        self._flight += 1
        camera = self.client.camera
        if not fly:
            with self.client.atomic():
                camera.fov = FIELD
                camera.up_direction = (0.0, 0.0, 1.0)
                camera.position, camera.look_at = eye, target
            self.turn(eye, target)
            return
        threading.Thread(target=self._fly, args=(self._flight, eye, target), daemon=True).start()

    def _fly(self, flight: int, eye: np.ndarray, middle: np.ndarray) -> None:
        camera = self.client.camera
        start_eye, start_middle = np.asarray(camera.position), np.asarray(camera.look_at)
        began = time.perf_counter()
        while self._flight == flight:  # a later flight takes over
            share = min(1.0, (time.perf_counter() - began) / FLIGHT)
            ease = share * share * (3 - 2 * share)
            at, target = start_eye + ease * (eye - start_eye), start_middle + ease * (middle - start_middle)
            with self.client.atomic():
                camera.position, camera.look_at = at, target
            self.client.flush()
            if share == 1.0:
                return self.turn(eye, middle)
            time.sleep(1 / 30)


def _vertex_normals(points: np.ndarray, faces: np.ndarray, count: int) -> np.ndarray:
    """Return unit normals float32 [count, 3] of the corners of faces, zero for others."""
    corners = points[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    flat = faces.ravel()
    normals = np.stack([np.bincount(flat, np.repeat(cross[:, i], 3), minlength=count) for i in range(3)], 1)
    return (normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def _edges(center: np.ndarray, size: np.ndarray, turn: float) -> np.ndarray:
    """Return the twelve edges float32 [12, 2, 3] of an upright box."""
    corner = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    pairs = [(i, i | bit) for bit in (1, 2, 4) for i in range(8) if not i & bit]
    local = corner * size
    cos, sin = np.cos(turn), np.sin(turn)
    turned = local @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    return (turned + center)[np.array(pairs)].astype(np.float32)
