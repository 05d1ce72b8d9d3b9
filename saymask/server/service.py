"""The service behind the addresses: one model, the scans it is asked about, and what it keeps of them."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

from saymask import __version__
from saymask.errors import InputError
from saymask.hub.headers import caution
from saymask.io.beside import only_below
from saymask.io.load import load_scan
from saymask.io.read_apart import SECONDS, Facts, read_apart
from saymask.models.base import Model
from saymask.scene.encoded import EncodedScans
from saymask.scene.scene import Scene
from saymask.server.limits import MEGABYTE, Limits
from saymask.server.store import Store, Stored

Answer = TypeVar("Answer")


class Service:
    """One model and a store of scans; what is encoded stays in memory while there is room."""

    def __init__(self, model: Model, store: Store, limits: Limits) -> None:
        """Serve a model; raises InputError for one that takes frames of the scans, which cannot be sent."""
        if model.image_features:
            raise InputError(
                f"{model.title} takes 2D features of a scan's frames, which `saymask serve` does not receive; "
                "choose another --model"
            )
        self.model, self.store, self.limits = model, store, limits
        self.scenes = EncodedScans(most_bytes=limits.memory_mb * MEGABYTE)
        self.on_encoded: Callable[[float], None] = lambda seconds: None
        """Called with the seconds that reading and encoding a scan took."""

    def card(self) -> dict[str, Any]:
        """Return what is known of the model."""
        card = self.model.card
        return {
            "name": self.model.title,
            "system": self.model.system,
            "verbs": list(self.model.verbs),
            "data": str(card.get("data", "")),
            "caution": caution(card),
            "version": __version__,
        }

    def add_path(self, path: str, unit: str | None, up: str | None) -> tuple[Stored, bool]:
        """Add a scan below the root; see `Store.add_path`."""
        return self.store.add_path(path, unit, up, self._reader(unit, up))

    def add_upload(self, incoming: Path, name: str, unit: str | None, up: str | None) -> tuple[Stored, bool]:
        """Add a file that was received; see `Store.add_upload`."""
        return self.store.add_upload(incoming, name, unit, up, self._reader(unit, up))

    def _reader(self, unit: str | None, up: str | None) -> Callable[[Path, Path], Facts]:
        seconds, memory = min(SECONDS, self.limits.seconds), self.limits.reading_mb * MEGABYTE
        return lambda path, below: read_apart(path, below=below, unit=unit, up=up, seconds=seconds, memory=memory)

    def forget(self, key: str) -> None:
        """Forget a scan and all that is known of it."""
        self.scenes.forget(_key(self.store.remove(key)))

    def is_encoded(self, stored: Stored) -> bool:
        """Say whether a scan is encoded, so that questions are answered at once."""
        return _key(stored) in self.scenes

    def ask(self, key: str, question: Callable[[Scene], Answer]) -> Answer:
        """Return the answer about a scan, which is read and encoded first where it is not in memory."""
        stored = self.store.get(key)
        path, below = self.store.file(stored)

        def encode() -> Scene:
            start = perf_counter()
            with only_below(below):
                scan = load_scan(path, unit=stored.unit, up=stored.up, quiet=True)
            scene = Scene(self.model, scan)
            self.on_encoded(perf_counter() - start)
            return scene

        scene = self.scenes.get_or_make(_key(stored), encode)
        try:
            return question(scene)
        finally:
            if self.store.knows(stored):
                self.scenes.measure(_key(stored))
            else:  # forgotten meanwhile
                self.scenes.forget(_key(stored))


def _key(stored: Stored) -> tuple[str, str]:
    return stored.id, stored.stamp
