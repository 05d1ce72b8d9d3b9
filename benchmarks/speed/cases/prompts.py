"""Prompts: every verb on an encoded room.

A furnished kitchen of Rooms with 149,352 points and 1,103 superpoints, and each embedded checkpoint in a process of its
own. Sentences and names are new each time, so the text encoder works for all of them, and no answer is remembered.
*first* is asked of a scan that was just encoded, so what is made once per scan counts; *next* is every later one; *of
several* is the time for each when a hundred are asked at once; *eight at once* is the time until eight threads that ask
at the same moment have their answers.
"""

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

import numpy as np

from benchmarks.speed.clock import apart, peak, resident, timed
from benchmarks.speed.effort import Effort
from benchmarks.speed.figure import Figure
from benchmarks.speed.inputs import furnished_room, new_sentences
from saymask.hub import checkpoints, headers
from saymask.scan import Scan
from saymask.scene.scene import Scene

AIM = 0.3
"""Seconds of a single prompt to an encoded scan."""
AT_ONCE, SEVERAL = 8, 100
FRESH = {"refer": 1, "find": 1, "click": 1, "semantic": 0, "instances": 0, "panoptic": 0}
"""Verbs and how many things the single prompt asks for; 0 = the verb takes none."""


class Asker:
    """Asks a scene questions that it has not been asked before."""

    def __init__(self, scene: Scene, seed: int = 0) -> None:
        self.scene = scene
        self._rng = np.random.default_rng(seed)

    def job(self, verb: str, count: int) -> Callable[[], Any]:
        """Return a call that asks `count` new things; 0 = the verb's question without any."""
        scene = self.scene
        if verb == "refer":
            sentences = new_sentences(count)
            return lambda: scene.refer(sentences)
        if verb == "click":
            places = scene.scan.points[self._rng.choice(len(scene.scan), count, replace=False)]
            return lambda: scene.click(places)
        if verb == "find" or (verb == "semantic" and count):
            mark = new_sentences(1)[0].split()[-1]
            names = [f"thing {mark} {i}" for i in range(count)]
            return lambda: getattr(scene, verb)(names)
        return getattr(scene, verb)

    def seconds(self, verb: str, count: int) -> float:
        """Return how long a fresh answer takes."""
        job = self.job(verb, count)
        self.scene.forget()
        return timed(job).wall

    def seconds_at_once(self, verb: str, count: int) -> float:
        """Return how long eight threads wait that ask at the same moment, each something else where there is a choice.

        The whole-scan questions are the same for all; nothing is kept from before.
        """
        jobs = [self.job(verb, count) for _ in range(AT_ONCE)]
        self.scene.forget()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda _: time.sleep(0.01), jobs))  # the threads exist
            return timed(lambda: list(pool.map(lambda job: job(), jobs))).wall


def rows_for(verbs: tuple[str, ...], batches: tuple[int, ...]) -> list[tuple[str, int]]:
    """Return what is measured: (verb, how many things are asked at once)."""
    rows = [(verb, FRESH[verb]) for verb in verbs]
    several = [n for n in batches if n > 1]
    return rows + [(verb, n) for verb, n in itertools.product(("refer", "find", "click"), several) if verb in verbs]


def model_seconds(name: str, rounds: int, several: int) -> dict[str, Any]:
    """Return what `answered` returns for an embedded checkpoint and the furnished room."""
    return answered(name, furnished_room(), rounds, several)


def answered(name: str, scan: Scan, rounds: int, several: int) -> dict[str, Any]:
    """Return seconds of loading, encoding and of each prompt, and megabytes, in this process."""
    checkpoints.load_model(name)  # weights are in the system's cache
    models = []
    loading = timed(lambda: models.append(checkpoints.load_model(name))).wall
    (model,) = models
    idle = resident()
    rows = {f"{verb} {count}": {"verb": verb, "asked": count} for verb, count in rows_for(model.verbs, (several,))}
    Asker(Scene(model, scan)).seconds(model.verbs[0], FRESH[model.verbs[0]])  # compiles the kernels
    encodings = []
    for row in rows.values():
        if row["asked"] <= 1:
            firsts = []
            for _ in range(rounds):
                scene = Scene(model, scan)
                encodings.append(dict(scene.seconds))
                firsts.append(Asker(scene).seconds(row["verb"], row["asked"]))
            row["first"] = median(firsts)
    asker = Asker(Scene(model, scan), seed=1)
    for row in rows.values():
        asker.seconds(row["verb"], row["asked"])

    def ask() -> None:
        for row in rows.values():
            row["next"] = median(asker.seconds(row["verb"], row["asked"]) for _ in range(rounds))

    megabytes = peak(ask)
    for row in rows.values():
        if row["asked"] <= 1:
            row["at_once"] = median(asker.seconds_at_once(row["verb"], row["asked"]) for _ in range(rounds))
    stages = {stage: median(e.get(stage, 0.0) for e in encodings) for stage in encodings[0]}
    return {"load": loading, "encode": stages, "rows": list(rows.values()), "idle": idle, "MB": megabytes}


def measure(effort: Effort) -> list[Figure]:
    """Return the figures of all embedded checkpoints."""
    figures = []
    names = [card["name"] for card in headers.list_models()]
    for name in [headers.DEFAULT] if effort.quick else names:
        figures += figures_of(name, apart(model_seconds, name, effort.rounds(5), 5 if effort.quick else SEVERAL))
    return figures


def figures_of(name: str, found: dict[str, Any]) -> list[Figure]:
    """Return the figures of what `answered` returns."""
    figures = [
        Figure(f"{name}: load the model again", found["load"]),
        Figure(f"{name}: prepare and encode", sum(found["encode"].values()), parts=found["encode"]),
    ]
    for row in found["rows"]:
        what = f"{name}: {row['verb']}"
        if row["asked"] > 1:
            figures.append(Figure(f"{what}, each of several", row["next"] / row["asked"]))
            continue
        figures += [
            Figure(f"{what}, first", row["first"], aim=AIM),
            Figure(f"{what}, next", row["next"], aim=AIM),
            Figure(f"{what}, eight at once", row["at_once"]),
        ]
    return [*figures, Figure(f"{name}: memory of prompts", found["MB"], "MB")]
