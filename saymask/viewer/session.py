"""A visitor's session: questions, answers and clicks on one scan, with undo; nothing here knows of a browser."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import numpy as np

from saymask.errors import InputError
from saymask.masks import Masks
from saymask.scan import Scan
from saymask.scene.clicks import Places
from saymask.util.words import check_names, check_sentence

Layer = Literal["colors", "semantic", "instances", "panoptic"]
LAYERS: tuple[Layer, ...] = ("colors", "semantic", "instances", "panoptic")
MOST_KEPT = 50
"""Questions that the history holds; the oldest go first."""


class Answers(Protocol):
    """A scene as a session asks it; `Scene` is one."""

    scan: Scan

    def refer(self, sentences: str) -> Masks:
        """Return the masks that a sentence means."""
        ...

    def find(self, names: Sequence[str], *, threshold: float | None = None) -> Masks:
        """Return the objects that words name."""
        ...

    def click(self, points: Places, *, positive: Sequence[bool], objects: Sequence[int]) -> Masks:
        """Return one mask per object that was clicked on."""
        ...


@dataclass(frozen=True)
class Click:
    """A place that belongs to an object, or (negative) does not."""

    place: tuple[float, float, float]
    positive: bool
    object: int


@dataclass(frozen=True, eq=False)
class Answer:
    """A question and its answer, an entry of the history."""

    key: int
    kind: Literal["refer", "find", "click", "result"]
    title: str
    masks: Masks
    shown: bool = True
    unsure: bool = False
    """Nothing fitted: the masks are the likeliest candidate."""
    heat: np.ndarray | None = None  # float32 [N] in 0..1: relevance of the words at every point


@dataclass(frozen=True)
class State:
    """The answers and clicks of a moment, to which undo goes back."""

    answers: tuple[Answer, ...] = ()
    clicks: tuple[Click, ...] = ()
    object: int = 0
    """The object that the next click is about."""
    measured: tuple[tuple[float, float, float], ...] = ()
    """Places between which distances are measured, in pairs."""


@dataclass
class Session:
    """The questions of one visitor about a scan, with their answers; several threads may use it in turn."""

    scan: Scan
    scene: Answers | None = None
    layer: Layer = "colors"
    isolated: frozenset[int] = frozenset()
    """Class ids of the layer that are shown alone; empty = all."""
    _states: list[State] = field(default_factory=lambda: [State()])
    _next: int = 0
    _lock: Any = field(default_factory=threading.RLock)

    @property
    def state(self) -> State:
        """The present answers and clicks."""
        return self._states[-1]

    @property
    def shown(self) -> list[Answer]:
        """The answers that are drawn, oldest first."""
        return [a for a in self.state.answers if a.shown]

    @property
    def latest(self) -> Answer | None:
        """The answer to the latest question."""
        return self.state.answers[-1] if self.state.answers else None

    # ---- questions

    def say(self, sentence: str) -> Answer:
        """Ask for what a sentence means; where nothing fits, the likeliest candidate, marked as unsure.

        Raises InputError as `Scene.refer` does.
        """
        sentence = check_sentence(sentence)
        with self._lock:
            scene = self._asked()
            masks = scene.refer(sentence)
            unsure = not len(masks)
            if unsure:
                masks = replace(likeliest(scene, sentence), message=masks.message)
            return self._add(Answer(self._key(), "refer", sentence, masks, unsure=unsure))

    def find(self, words: str, threshold: float | None = None, *, heat: bool = False) -> Answer:
        """Ask for everything that words name (commas between them); a repeated question replaces its answer.

        With `heat` the answer says how well the words fit every point. Raises InputError as `Scene.find` does.
        """
        names = check_names([w for w in words.split(",") if w.strip()], "words")
        with self._lock:
            scene = self._asked()
            masks = scene.find(names, threshold=threshold)
            warmth = relevance(scene.find(names, threshold=0.0)) if heat else None
            title = ", ".join(names)
            latest = self.latest
            if latest is not None and latest.kind == "find" and latest.title == title:
                answer = replace(latest, masks=masks, heat=warmth, shown=True)
                self._put(replace(self.state, answers=(*self.state.answers[:-1], answer)), undo=False)
                return answer
            return self._add(Answer(self._key(), "find", title, masks, heat=warmth))

    def click(self, place: Sequence[float], positive: bool = True) -> Answer:
        """Click on an object, or on what does not belong to it; the answer holds all objects that were clicked on.

        Raises InputError as `Scene.click` does; such a click is not kept.
        """
        x, y, z = (float(v) for v in place)
        with self._lock:
            state = self.state
            click = Click((x, y, z), bool(positive), state.object)
            if not positive and not any(c.positive and c.object == click.object for c in state.clicks):
                raise InputError("a negative click: expected a positive one on the object before it; click on it first")
            return self._clicked((*state.clicks, click))

    def _clicked(self, clicks: tuple[Click, ...]) -> Answer:
        scene, state = self._asked(), self.state
        masks = scene.click(
            [c.place for c in clicks],
            positive=[c.positive for c in clicks],
            objects=[c.object for c in clicks],
        )
        latest = self.latest
        count = len({c.object for c in clicks})
        title = "1 clicked object" if count == 1 else f"{count} clicked objects"
        if latest is not None and latest.kind == "click":
            answer, kept = replace(latest, title=title, masks=masks, shown=True), state.answers[:-1]
        else:
            answer, kept = Answer(self._key(), "click", title, masks), _hidden(state.answers)
        self._put(replace(state, answers=_latest((*kept, answer)), clicks=clicks))
        return answer

    def next_object(self) -> int:
        """Let the next click be about another object; return its number from 0."""
        with self._lock:
            state = self.state
            used = [c.object for c in state.clicks]
            if used and state.object in used:
                self._put(replace(state, object=max(used) + 1))
            return self.state.object

    def measure(self, place: Sequence[float]) -> float | None:
        """Add an end of a line; return its length in metres when it has both ends."""
        x, y, z = (float(v) for v in place)
        with self._lock:
            measured = (*self.state.measured, (x, y, z))
            self._put(replace(self.state, measured=measured))
            return None if len(measured) % 2 else float(np.linalg.norm(np.subtract(measured[-1], measured[-2])))

    def show(self, masks: Masks, title: str) -> Answer:
        """Add a result that was made elsewhere."""
        with self._lock:
            return self._add(Answer(self._key(), "result", title, masks))

    # ---- history

    def undo(self) -> bool:
        """Take the latest question, click or measured place back; return whether there was one."""
        with self._lock:
            if len(self._states) > 1:
                self._states.pop()
                return True
            return False

    def toggle(self, key: int) -> None:
        """Show or hide an answer of the history, beside the others."""
        answers = tuple(replace(a, shown=not a.shown) if a.key == key else a for a in self.state.answers)
        self._put(replace(self.state, answers=answers), undo=False)

    def clear(self) -> None:
        """Begin again with nothing asked; undo brings it back."""
        if self.state != State():
            self._put(State())

    def combined(self) -> Masks:
        """Return all masks that are shown in one result; raise InputError where nothing is."""
        shown = [a.masks for a in self.shown if len(a.masks)]
        if not shown:
            raise InputError("nothing is marked: say a sentence or click on an object first")
        if len(shown) == 1:
            return shown[0]
        return Masks.from_points(
            self.scan,
            np.concatenate([m.dense for m in shown]),
            np.concatenate([m.scores for m in shown]),
            tuple(name for m in shown for name in m.names),
        )

    def isolate(self, label: int) -> None:
        """Show a class of the layer alone, or beside those that are already; once more takes it away."""
        self.isolated = self.isolated ^ {label}

    # ----

    def _asked(self) -> Answers:
        if self.scene is None:
            raise InputError("the scan is still being encoded; ask again in a moment")
        return self.scene

    def _key(self) -> int:
        self._next += 1
        return self._next

    def _add(self, answer: Answer) -> Answer:
        """Add an answer, shown alone; those before it are a click away."""
        answers = _latest((*_hidden(self.state.answers), answer))
        self._put(replace(self.state, answers=answers, clicks=(), object=0))
        return answer

    def _put(self, state: State, *, undo: bool = True) -> None:
        with self._lock:
            if undo:
                self._states = [*self._states[-MOST_KEPT:], state]
            else:
                self._states[-1] = state


def _hidden(answers: tuple[Answer, ...]) -> tuple[Answer, ...]:
    return tuple(replace(a, shown=False) for a in answers)


def _latest(answers: tuple[Answer, ...]) -> tuple[Answer, ...]:
    return answers[-MOST_KEPT:]


def likeliest(scene: Answers, sentence: str) -> Masks:
    """Return the one object that is most like what a sentence is about (no mask where the model cannot name any)."""
    from saymask.text.scene_graph.parse import parse_sentence

    main = parse_sentence(sentence, backend="rules").main
    try:
        found = scene.find([sentence if main is None else main.lemma], threshold=0.0)
    except InputError:  # a model that answers sentences alone
        found = scene.refer(sentence)  # nothing, as it said
    return found[:1] if len(found) and float(found.scores[0]) > 0 else found[:0]


def relevance(found: Masks) -> np.ndarray:
    """Return float32 [N]: the best score of the masks at every point, 0 where there is none."""
    best = found.best
    return np.where(best >= 0, np.append(found.scores, 0)[best], 0).astype(np.float32)
