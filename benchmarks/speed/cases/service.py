"""Service: load on `saymask serve`, memory over many prompts, and a kill.

A server is started on a free port of this machine with three furnished rooms of the synthetic benchmark (meshes of
100,000 to 200,000 points), which are encoded before the clock starts. Each of eight clients is a thread with a
connection of its own, which asks one thing after the other, never the same: sentences, words, clicks, and now and then
all classes or objects, in turn about the three scans. Every answer is then compared with the library's in this process,
whole; the case fails where one differs. Refused requests (429) are asked again.

Memory is the server's resident set, from its own `/metrics`, before and after many more sentences by the same clients;
the first third is the warm-up that fills what is kept. At last the server is killed (SIGKILL), started again on the
same folder, and asked some of the same questions.
"""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.effort import Effort
from benchmarks.speed.figure import Figure
from benchmarks.speed.inputs import furnished_room, new_sentences
from saymask.hub.checkpoints import load_model
from saymask.io.load import load_scan
from saymask.io.ply import write_ply
from saymask.masks import Masks
from saymask.scene.scene import Scene
from saymask.server.client import Client, RemoteScene
from saymask.server.forms import MasksForm
from saymask.server.refusal import Refusal

CLIENTS = 8
ROOMS = (319, 320, 321)
WHOLE = ("semantic", "instances", "panoptic")
GROWTH = 0.05
"""Share by which memory may grow after the warm-up."""


@dataclass
class Served:
    """`saymask serve` in a process of its own, and the lines that it has printed."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def url(self) -> str:
        """Return its address, once it serves."""
        for _ in range(2400):
            found = re.search(r"at (http://\S+?)/? ", "".join(self.lines))
            if found:
                return found[1]
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError("the server did not start:\n" + "".join(self.lines))

    def stop(self, number: int) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def serving(*arguments: object, **environment: str) -> Iterator[Served]:
    """Run the command on a free port inside the block; what is left of it then is killed."""
    words = [sys.executable, "-m", "saymask", "serve", "--port", "0", *map(str, arguments)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **environment}
    ) as process:
        served = Served(process)
        output = process.stdout
        assert output is not None
        reader = threading.Thread(target=lambda: served.lines.extend(iter(output.readline, "")))
        reader.start()
        try:
            yield served
        finally:
            process.kill()
            reader.join()


@dataclass(frozen=True)
class Question:
    """A question that a scene and a `RemoteScene` answer alike."""

    scan: int
    verb: str
    ask: Callable[[Any], Any]


@dataclass(frozen=True)
class Timed:
    """A question, the service's answer, and the seconds until it came."""

    question: Question
    answer: MasksForm
    seconds: float
    refused: int


def questions(scenes: list[Scene], count: int, seed: int) -> list[Question]:
    """Return different questions of all verbs, in turn about the scans."""
    rng = np.random.default_rng(seed)
    sentences = new_sentences(count)
    made = []
    for i, sentence in enumerate(sentences):
        scan = i % len(scenes)
        if i % 10 == 9:
            verb = WHOLE[int(rng.integers(3))]
            made.append(Question(scan, verb, lambda scene, verb=verb: getattr(scene, verb)()))
        elif i % 5 == 2:
            places = scenes[scan].scan.points[rng.choice(len(scenes[scan].scan), 2)].tolist()
            made.append(Question(scan, "click", lambda scene, places=places: scene.click(places)))
        elif i % 5 == 3:
            names = ["chair", f"thing {sentence.split()[-1]}"]
            made.append(Question(scan, "find", lambda scene, names=names: scene.find(names)))
        else:
            made.append(Question(scan, "refer", lambda scene, sentence=sentence: scene.refer(sentence)))
    return made


def asked(url: str, keys: list[str], mine: list[Question]) -> list[Timed]:
    """Ask one client's questions one after the other."""
    results = []
    with Client(url) as client:
        remotes = [client.scene(key) for key in keys]
        for question in mine:
            start, refused = time.perf_counter(), 0
            while True:
                try:
                    answer = question.ask(remotes[question.scan])
                    break
                except Refusal as refusal:
                    if refusal.status != 429:
                        raise
                    refused += 1
                    time.sleep(0.05)
            results.append(Timed(question, answer, time.perf_counter() - start, refused))
    return results


def at_once(url: str, keys: list[str], all_questions: list[list[Question]]) -> tuple[list[Timed], float]:
    """Let all clients ask at the same time; return their answers and the seconds of all."""
    start = time.perf_counter()
    with ThreadPoolExecutor(len(all_questions)) as pool:
        parts = list(pool.map(lambda mine: asked(url, keys, mine), all_questions))
    return [timed for part in parts for timed in part], time.perf_counter() - start


def is_equal(timed: Timed, scenes: list[Scene]) -> bool:
    """Say whether an answer is the library's, in every value."""
    masks: Masks = timed.question.ask(scenes[timed.question.scan])
    return timed.answer.model_dump(exclude_none=True) == masks.to_dict()


def memory(client: Client) -> float:
    """Return the resident set of the server, MB."""
    found = re.search(r"^process_resident_memory_bytes (\S+)$", client.metrics(), re.M)
    if found is None:
        raise RuntimeError("the server does not know its memory (it is no Linux)")
    return float(found[1]) / 2**20


def spread(seconds: list[float]) -> dict[str, float]:
    """Return count, median, 95th percentile and the slowest."""
    p50, p95 = np.percentile(seconds, (50, 95))
    return {"count": len(seconds), "p50": float(p50), "p95": float(p95), "slowest": max(seconds)}


def load(folder: Path, clients: int, prompts: int, many: int, threads: int) -> dict[str, Any]:
    """Run all parts on a new server; raise RuntimeError where an answer differs or the server does not end well."""
    (folder / "scans").mkdir()
    for number in ROOMS:
        scan = furnished_room(number)
        columns = {axis: scan.points[:, i] for i, axis in enumerate("xyz")}
        columns |= {name: scan.colors[:, i] for i, name in enumerate(("red", "green", "blue"))}
        write_ply(folder / "scans" / f"room{number}.ply", columns, scan.faces)
    arguments = ("--root", folder / "scans", "--data", folder / "data", "--threads", threads)
    model = load_model()
    with serving(*arguments) as server, Client(server.url()) as client:
        remotes = [client.load(f"room{number}.ply") for number in ROOMS]
        keys = [remote.id for remote in remotes]
        encode = [_seconds(remote.instances) for remote in remotes]
        scenes = [Scene(model, load_scan(folder / "scans" / f"room{n}.ply", quiet=True)) for n in ROOMS]
        plan = [questions(scenes, prompts, seed) for seed in range(clients)]
        answers, seconds = at_once(server.url(), keys, plan)
        different = [timed for timed in answers if not is_equal(timed, scenes)]
        if different:
            raise RuntimeError(f"{len(different)} of {len(answers)} answers differ, first {different[0]}")
        by_verb: dict[str, list[float]] = {}
        for timed in answers:
            by_verb.setdefault(timed.question.verb, []).append(timed.seconds)
        sizes, seen = [memory(client)], 0
        for part in range(12):
            share = many * (part + 1) // 12 - many * part // 12
            each = [new_sentences(share)[i::clients] for i in range(clients)]
            plan = [[Question(i % 3, "refer", _refer(s)) for i, s in enumerate(mine)] for mine in each]
            seen += len(at_once(server.url(), keys, plan)[0])
            sizes.append(memory(client))
        warm = sizes[4]
        kept = client.scans()
        start = time.perf_counter()
        server.process.kill()
        server.process.wait()
    with serving(*arguments) as server, Client(server.url()) as client:
        again = time.perf_counter() - start
        lost = [scan.id for scan in kept if scan.id not in {one.id for one in client.scans()}]
        some = [timed for timed in answers if timed.question.verb == "refer"][:6]
        repeated, _ = at_once(server.url(), keys, [[timed.question for timed in some]])
        changed = [new for new, old in zip(repeated, some, strict=True) if new.answer != old.answer]
        if lost or changed:
            raise RuntimeError(f"after the kill {len(lost)} scans are lost and {len(changed)} answers differ")
    return {
        "points": [len(scene.scan) for scene in scenes],
        "encode_seconds": encode,
        "answers": len(answers),
        "refused": sum(timed.refused for timed in answers),
        "per_second": len(answers) / seconds,
        "all": spread([timed.seconds for timed in answers]),
        "verbs": {verb: spread(times) for verb, times in sorted(by_verb.items())},
        "memory_mb": [round(size, 1) for size in sizes],
        "memory_prompts": seen,
        "growth": max(sizes[5:]) / warm - 1,
        "restart_seconds": again,
        "repeated_after_kill": len(repeated),
    }


def _refer(sentence: str) -> Callable[[RemoteScene], MasksForm]:
    return lambda scene: scene.refer(sentence)


def _seconds(job: Callable[[], Any]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def figures_of(result: dict[str, Any]) -> list[Figure]:
    """Return the figures of what `load` returns."""
    told = f"{result['answers']} answers, all equal to the library's; {result['refused']} refused and asked again."
    figures = [
        Figure("answers", result["per_second"], "/s", note=told),
        Figure("first answer about a scan, reading and encoding included", max(result["encode_seconds"])),
    ]
    for name, row in [("all verbs", result["all"]), *result["verbs"].items()]:
        figures += [Figure(f"{name}: median", row["p50"]), Figure(f"{name}: 95 of 100", row["p95"])]
    sizes = " ".join(f"{size:.0f}" for size in result["memory_mb"])
    return [
        *figures,
        Figure("memory at most after the warm-up / right after it", 1 + result["growth"], "", aim=1 + GROWTH,
               note=f"{result['memory_prompts']:,} sentences: {sizes} MB."),
        Figure("killed and started again", result["restart_seconds"],
               note=f"No scan lost, {result['repeated_after_kill']} answers as before."),
    ]  # fmt: skip


def measure(effort: Effort) -> list[Figure]:
    """Return the figures of a server under load."""
    with tempfile.TemporaryDirectory() as folder:
        sizes = (2, 6, 24) if effort.quick else (CLIENTS, 20, 300)
        return figures_of(load(Path(folder), *sizes, threads=2))
