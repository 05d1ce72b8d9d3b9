"""The open scans of a server, its models, and scans encoded by models, shared by all who look at the page."""

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cachetools import LRUCache

from saymask.io.beside import only_below
from saymask.scan import Scan
from saymask.scene.encoded import EncodedScans
from saymask.viewer.display import Display
from saymask.viewer.fragments import Choice

Progress = Callable[[str, float], None]
"""Called with a stage, in words, and the share of all work that is done before it."""
MOST_OPEN = 16
"""Scans that are kept open."""
MOST_SCENES = 4
"""Encoded scans that are kept."""
STAGES = {"superpoints": 0.1, "adapt": 0.2, "prepare": 0.25, "encode": 0.4}
WORDS = {
    "superpoints": "cutting it into patches",
    "adapt": "getting used to the scan",
    "prepare": "preparing it for the model",
    "encode": "encoding it, the slow step",
}


@dataclass(frozen=True)
class Example:
    """A scan that comes with the server, made when it is opened."""

    title: str
    make: Callable[[], Scan]
    sentences: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, eq=False)
class Opened:
    """A scan that is open."""

    scan: Scan
    display: Display
    sentences: tuple[str, ...] = ()


@dataclass
class Library:
    """Scans and models of one server; everything in it is made once and may be used by several threads."""

    examples: Mapping[str, Example] = field(default_factory=dict)
    device: str = "auto"
    unit: str | None = None
    up: str | None = None
    _opened: LRUCache[str, Opened] = field(default_factory=lambda: LRUCache(MOST_OPEN))
    _models: dict[str, Any] = field(default_factory=dict)
    _scenes: EncodedScans = field(default_factory=lambda: EncodedScans(most=MOST_SCENES))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def choices(self) -> list[Choice]:
        """Return the examples."""
        return [Choice(f"example:{key}", e.title, e.note) for key, e in self.examples.items()]

    def add(self, key: str, scan: Scan, sentences: Sequence[str] = ()) -> Opened:
        """Open a scan that is in memory."""
        opened = Opened(scan, Display.of(scan), tuple(sentences))
        with self._lock:
            self._opened[key] = opened
        return opened

    def keep(self, opened: Opened, model: str, scene: Any) -> None:
        """Take a scene of an open scan that was made elsewhere."""
        self._scenes.put((opened, model), scene)

    def open(self, key: str, progress: Progress, name: str = "") -> Opened:
        """Return an example (`example:…`) or the scan at a path; raise InputError where there is none.

        name: that of an upload, which may name no file outside its folder.
        """
        with self._lock:
            known = self._opened.get(key)
        if known is not None:
            return known
        progress("waiting for another scan", 0.0)
        with self._scenes.work:
            example = self.examples.get(key.removeprefix("example:")) if key.startswith("example:") else None
            progress("reading the scan", 0.05)
            if example is not None:
                scan = example.make()
            else:
                from saymask.io.load import load_scan

                path = Path(key).expanduser()
                with only_below(path.parent) if name else contextlib.nullcontext():
                    scan = load_scan(path, unit=self.unit, up=self.up, quiet=True)
            if name:
                from dataclasses import replace

                scan = replace(scan, name=name)
            progress("looking at its surfaces", 0.5)
            return self.add(key, scan, () if example is None else example.sentences)

    def scene(self, opened: Opened, model: str, progress: Progress) -> Any:
        """Return the `Scene` of an open scan under a model's name or path."""

        def make() -> Any:
            progress("loading the model", 0.02)
            if model not in self._models:
                from saymask.hub.checkpoints import load_model

                self._models[model] = load_model(model, device=self.device)

            def begins(stage: str) -> None:
                progress(WORDS.get(stage, stage), STAGES.get(stage, 0.3))

            return self._models[model].encode(opened.scan, progress=begins)

        key = (opened, model)  # an open scan is hashed by its identity
        known = self._scenes.get(key)
        if known is not None:
            return known
        progress("waiting for another scan", 0.0)
        return self._scenes.get_or_make(key, make)


def models(chosen: str) -> list[Choice]:
    """Return the checkpoints that come with saymask, and the chosen one, with what each is good for."""
    from saymask.hub.headers import caution, list_models

    choices = []
    for card in list_models():
        note = f"answers {', '.join(card['verbs'])}; {caution(card) or 'trained on ' + str(card['data'])}"
        choices.append(Choice(card["name"], card["name"], note))
    if chosen not in [c.key for c in choices]:
        choices.append(Choice(chosen, Path(chosen).stem, chosen))
    return choices
