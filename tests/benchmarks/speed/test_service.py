"""Load on the service: questions are new and of all verbs, a wrong answer is noticed, the table says it all."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("uvicorn", reason="needs the extra serve")

from benchmarks.speed.cases import service as case
from saymask.hub.registry import preset
from saymask.io.load import load_scan
from saymask.scene.scene import Scene
from saymask.server import service
from tests.models.fakes import small_scan, tiny
from tests.server.serving import read_here, running, write_cloud


@pytest.fixture
def scenes():
    model = tiny(preset("less.rooms"))
    return [Scene(model, small_scan(seed)) for seed in range(3)]


def test_questions_are_new_and_of_all_verbs(scenes):
    made = case.questions(scenes, 100, 0)
    assert {question.verb for question in made} == {"refer", "find", "click", *case.WHOLE}
    assert [question.scan for question in made[:4]] == [0, 1, 2, 0]
    asked = []

    class Spy:
        def __getattr__(self, verb):
            return lambda *about: asked.append((verb, str(about)))

    for question in [*made, *case.questions(scenes, 100, 1)]:
        question.ask(Spy())
    new = [one for one in asked if one[1] != "()"]
    assert len(set(new)) == len(new) == 180


def test_clients_get_answers_that_are_compared(scenes, tmp_path, monkeypatch):
    monkeypatch.setattr(service, "read_apart", read_here)
    for seed in range(3):
        write_cloud(tmp_path / f"{seed}.ply", seed)
    (tmp_path / "data").mkdir()
    model = scenes[0].model
    own = [Scene(model, load_scan(tmp_path / f"{seed}.ply", quiet=True)) for seed in range(3)]
    with running(model, tmp_path / "data", root=tmp_path, threads=1, queue=0) as server:
        keys = [server.client.load(f"{seed}.ply").id for seed in range(3)]
        plan = [[q for q in case.questions(own, 6, seed) if q.verb == "refer"] for seed in range(3)]
        answers, seconds = case.at_once(server.url, keys, plan)
        assert case.memory(server.client) > 50
    assert len(answers) == sum(map(len, plan)) > 5
    assert seconds > 0
    assert all(case.is_equal(timed, own) for timed in answers)
    wrong = replace(answers[0], answer=answers[0].answer.model_copy(update={"message": "x"}))
    assert not case.is_equal(wrong, own)
    assert not case.is_equal(replace(answers[0], question=replace(answers[0].question, scan=1)), own)


def test_the_figures():
    times = case.spread(list(np.linspace(0.1, 1.1, 101)))
    assert times == {"count": 101, "p50": pytest.approx(0.6), "p95": pytest.approx(1.05), "slowest": pytest.approx(1.1)}
    result = {
        "points": [1000, 2, 3], "encode_seconds": [1.0, 3.0, 2.0], "answers": 101, "refused": 4, "per_second": 10.0,
        "all": times, "verbs": {"refer": times}, "memory_mb": [800.0, 900.0], "memory_prompts": 1000, "growth": 0.06,
        "restart_seconds": 5.0, "repeated_after_kill": 6,
    }  # fmt: skip
    found = {figure.what: figure for figure in case.figures_of(result)}
    assert found["answers"].value == 10
    assert "101 answers" in found["answers"].note
    assert found["first answer about a scan, reading and encoding included"].value == 3
    assert found["refer: 95 of 100"].value == pytest.approx(1.05)
    memory = found["memory at most after the warm-up / right after it"]
    assert (memory.value, memory.aim, memory.met) == (1.06, 1.05, False)
    assert case.figures_of({**result, "growth": 0.04})[-2].met
