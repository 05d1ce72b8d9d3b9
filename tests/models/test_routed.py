"""Several models as one: every verb gives what its own model gives, everywhere that a model can be used."""

import copy
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from saymask.errors import InputError
from saymask.evaluation.run import evaluate
from saymask.evaluation.workers import loaded
from saymask.geometry import superpoints
from saymask.hub import registry as hub
from saymask.models.base import VERBS, Model
from saymask.models.routed import METHODS, Each, Routed, route
from saymask.scan import Scan
from saymask.scene.scene import Scene
from tests.io.rooms import furnished_room
from tests.models import toy_clicks, toy_model
from tests.models.toy_model import Seer, SeerConfig, Toy, ToyConfig, make_prepared, make_scan

ROUTES = {"refer": "toy.tiny", "click": "toy.pointer", "panoptic": "toy.pointer"}
ASK = {
    "refer": lambda s: s.refer("the red chair"),
    "find": lambda s: s.find(["red", "blue thing"]),
    "click": lambda s: s.click(s.scan.points[s.scan.points[:, 2].argmax()].tolist()),
    "semantic": lambda s: s.semantic(),
    "instances": lambda s: s.instances(),
    "panoptic": lambda s: s.panoptic(),
}


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    toy_model.register(monkeypatch)
    toy_clicks.register(monkeypatch)


def built(*names: str) -> dict[str, Model]:
    torch.manual_seed(0)
    return {name: hub.build(name).eval() for name in names}


@pytest.fixture
def routed() -> Routed:
    return Routed(built("toy.seer", "toy.tiny", "toy.pointer"), ROUTES)


def same(a, b) -> None:
    np.testing.assert_array_equal(a.dense, b.dense)
    np.testing.assert_array_equal(a.scores, b.scores)
    assert (a.names, a.message) == (b.names, b.message)


def test_a_verb_goes_to_the_chosen_model_or_to_the_first_that_can():
    answers = {"a": ("refer", "find"), "b": ("find", "semantic", "refer"), "c": ("click",)}
    assert route(answers) == {"refer": "a", "find": "a", "click": "c", "semantic": "b"}
    assert route(answers, {"refer": "b"}) == {"refer": "b", "find": "a", "click": "c", "semantic": "b"}
    assert list(route(answers)) == [verb for verb in VERBS if verb in route(answers)]
    assert route({}) == {}


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({"reefer": "a"}, "expected verbs out of refer, find, click"),
        ({"find": "c"}, "expected one of a, b for find, got 'c'"),
        ({"find": "b"}, "expected a model that answers find, got b, which answers nothing"),
    ],
)
def test_routes_that_do_not_fit(chosen, says):
    with pytest.raises(InputError, match=says):
        route({"a": ("find",), "b": ()}, chosen)


def test_every_verb_is_that_of_its_own_model(routed):
    scan = make_scan(0)[0]
    scene = routed.encode(scan)
    assert routed.verbs == VERBS
    for verb, ask in ASK.items():
        assert len(ask(scene)) > 0
        same(ask(scene), ask(Scene(routed.parts[routed.routes[verb]], scan)))


def test_who_answers_can_be_seen(routed):
    card = routed.card
    assert routed.routes == card["routes"] == {**dict.fromkeys(VERBS, "toy.seer"), **ROUTES}
    assert card["name"] == "toy.seer+toy.tiny+toy.pointer"
    assert card["verbs"] == list(VERBS)
    assert {name: part["system"] for name, part in card["parts"].items()} == {
        "toy.seer": "seer", "toy.tiny": "toy", "toy.pointer": "pointer"
    }  # fmt: skip
    model = Routed(built("toy.tiny", "toy.seer"))
    with pytest.raises(InputError, match=r"toy\.tiny\+toy\.seer answers refer, find, semantic, instances, not click"):
        model.encode(make_scan(0)[0]).click((0, 0, 0))


def test_it_has_the_methods_of_its_parts_and_no_others(monkeypatch):
    model = Routed(built("toy.tiny", "toy.seer"))
    assert [verb for verb in VERBS if hasattr(model, verb)] == list(model.verbs) == ["refer", "find", *VERBS[3:5]]
    model = Routed(built("toy.tiny", "toy.pointer"))
    assert not [name for name in set(METHODS) - set(VERBS) if hasattr(model, name)]
    monkeypatch.setattr(
        toy_clicks.Pointer, "click_classes", lambda self, seen, points: seen.index[points], raising=False
    )
    encoded = model.encode_batch(model.collate([model.prepare(make_scan(0)[0])]))
    points = np.array([200, 300])
    np.testing.assert_array_equal(model.click_classes(encoded, points), encoded.parts[1].index[points])
    with pytest.raises(AttributeError, match="no attribute 'walk'"):
        model.walk()


@dataclass(frozen=True)
class PicturedConfig(SeerConfig):
    image_features: str = "clip"
    stretched_images: bool = False


def test_settings_are_those_of_the_part_that_finds_words():
    sharp = Seer(SeerConfig(find_threshold=0.99))
    model = Routed({"a": Toy(ToyConfig()), "b": sharp, "c": Seer(SeerConfig(find_threshold=0.01))}, {"semantic": "c"})
    assert model.config is sharp.config
    message = model.eval().encode(make_scan(0)[0]).find(["zebra"]).message
    assert "asked 0.99" in message
    only = Toy(ToyConfig())
    assert Routed({"a": only}).config is only.config


def test_2d_features_are_those_of_the_parts():
    plain, sees = Toy(ToyConfig()), Seer(PicturedConfig())
    model = Routed({"a": plain, "b": sees})
    assert (model.image_features, model.stretched_images) == ("clip", False)
    assert Routed({"a": plain}).image_features == ""
    stretched = Routed({"a": plain, "b": Seer(PicturedConfig(stretched_images=True))})
    assert stretched.stretched_images
    for other, said in (
        (PicturedConfig(image_features="dino"), "got clip and dino"),
        (PicturedConfig(stretched_images=True), r"got clip and clip \(stretched\)"),
    ):
        with pytest.raises(InputError, match=said):
            Routed({"a": Seer(other), "b": sees}, {"find": "b"})


def test_parts_without_use_are_refused():
    with pytest.raises(InputError, match="at least one model"):
        Routed({})
    with pytest.raises(InputError, match=r"nothing is left for toy\.tiny to answer"):
        Routed(built("toy.seer", "toy.tiny"))


class OnSuperpoints(Seer):
    """Notes the superpoints that it is given."""

    uses_superpoints = True

    def prepare(self, scan: Scan, annotations=(), *, rng=None):
        self.given = scan.superpoints
        return super().prepare(scan, annotations, rng=rng)


def test_superpoints_are_computed_once(monkeypatch):
    model = Routed({"a": OnSuperpoints(SeerConfig()), "b": OnSuperpoints(SeerConfig())}, {"find": "b"}).eval()
    scan = make_scan(0)[0]
    known = np.arange(len(scan), dtype=np.int32)
    calls = []
    monkeypatch.setattr(superpoints, "superpoints_of", lambda scan: calls.append(scan) or known)
    assert "superpoints" in model.encode(scan).seconds
    assert len(calls) == 1
    assert all(part.given is known for part in model.parts.values())
    model.prepare(scan)
    assert len(calls) == 2
    model.prepare(replace(scan, superpoints=known))
    assert len(calls) == 2
    assert not Routed(built("toy.tiny")).uses_superpoints


def test_mode_device_state_and_copies(routed):
    assert not any(module.training for module in routed.modules())
    routed.train()
    assert all(part.training for part in routed.parts.values())
    routed.eval()
    assert routed.device == torch.device("cpu")
    parts = routed.parts.values()
    assert sum(p.numel() for p in routed.parameters()) == sum(p.numel() for part in parts for p in part.parameters())
    scan = make_scan(1)[0]
    twin = copy.deepcopy(routed)
    assert twin.parts["toy.tiny"] is not routed.parts["toy.tiny"]
    same(twin.encode(scan).refer("a lamp"), routed.encode(scan).refer("a lamp"))
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert not len(twin.encode(scan).refer("a lamp"))
    assert len(routed.encode(scan).refer("a lamp"))
    meta = copy.deepcopy(routed).to("meta")
    assert {p.device.type for p in meta.parameters()} == {"meta"}


def test_a_batch_moves_with_all_its_parts():
    @dataclass
    class Moving:
        device: str = "cpu"

        def to(self, device) -> "Moving":
            return Moving(str(device))

    assert [part.device for part in Each((Moving(), Moving())).to("meta").parts] == ["meta", "meta"]


def test_what_prompts_need_is_loaded_before(routed, monkeypatch):
    ready = []
    monkeypatch.setattr(Toy, "get_ready", lambda self: ready.append(self.system))
    routed.encode(make_scan(0)[0])
    assert ready == ["seer", "toy", "pointer"]


def test_it_is_not_trained(routed, tmp_path):
    scan = make_scan(0)[0]
    for train in (
        lambda: routed.losses(None),
        lambda: routed.prepare(scan, rng=np.random.RandomState(0)),
        lambda: routed.begin_training(tmp_path, [], print),
    ):
        with pytest.raises(InputError, match=r"train one of them: toy\.seer, toy\.tiny, toy\.pointer"):
            train()


def test_sentences_are_measured_as_with_the_part(tmp_path, routed):
    data = make_prepared(tmp_path / "data")
    numbers = {}
    for name, model in (("toy.seer+toy.tiny+toy.pointer", routed), ("toy.tiny", routed.parts["toy.tiny"])):
        result = evaluate(model, data, protocol="scanrefer", baselines=False, quiet=True)
        assert result["model"] == name
        numbers[name] = result["metrics"]
    one, other = numbers.values()
    assert one == other
    assert one["overall"]["n"] == 12


def sums(model: Model, factor: float):
    """Return the job of the tests below: every verb of the model, in numbers."""

    def job(scene: str) -> dict[str, float]:
        found = Scene(model, make_scan(int(scene))[0])
        return {verb: factor * float(ASK[verb](found).scores.sum()) for verb in model.verbs}

    return job


def of_all_scenes(model, processes: int) -> tuple[str, dict[str, dict[str, float]]]:
    with loaded(model, "cpu", processes) as ready:
        return ready.name, dict(ready.each_scene(["0", "1", "2"], sums, (2.0,)))


@pytest.mark.slow
def test_other_processes_load_the_parts(tmp_path, monkeypatch, routed):
    for name, part in routed.parts.items():
        hub.save_checkpoint(part, tmp_path / f"{name}.safetensors")
    monkeypatch.setattr(hub, "WEIGHTS", tmp_path)
    monkeypatch.setattr(hub, "DEFAULT", "toy.seer")
    monkeypatch.setattr(hub, "ROUTES", ROUTES)
    alone = of_all_scenes(routed, 1)
    assert alone[0] == "toy.seer+toy.tiny+toy.pointer"
    assert set(alone[1]["0"]) == set(VERBS)
    for model, processes in ((None, 1), (None, 2), (routed, 2)):
        assert of_all_scenes(model, processes) == alone


def test_a_model_that_other_processes_cannot_load(routed):
    routed.parts["toy.tiny"].card = {}
    with pytest.raises(InputError, match="processes: expected 1"), loaded(routed, "cpu", 2):
        pass


def test_the_mode_is_put_back(routed):
    routed.train()
    with loaded(routed, "cpu", 1) as ready:
        assert ready.model is routed
        assert not any(module.training for module in routed.modules())
    assert all(part.training for part in routed.parts.values())


# ---- embedded weights


@pytest.fixture(scope="module")
def embedded() -> Routed:
    names = ("lground.rooms", "bqnet.rooms")
    return hub.load_parts({name: name for name in names}, {"refer": "bqnet.rooms"}, "cpu")


@pytest.fixture(scope="module")
def room() -> Scan:
    points, colors = furnished_room(density=150.0)[:2]
    return Scan(points.astype(np.float32), colors.astype(np.uint8), name="room")


@pytest.mark.slow
def test_embedded_models_answer_as_they_do_alone(embedded, room):
    assert embedded.routes == {
        "refer": "bqnet.rooms", "find": "lground.rooms", "semantic": "lground.rooms", "instances": "lground.rooms"
    }  # fmt: skip
    scene = embedded.encode(room)
    assert {"superpoints", "prepare", "encode"} <= set(scene.seconds)
    for verb in embedded.verbs:
        alone = Scene(embedded.parts[embedded.routes[verb]], room)
        same(ASK[verb](scene), ASK[verb](alone))
    assert len(scene.semantic())
    sentences = ["the brown table", "the chair", "a piano"]
    for together, single in zip(scene.refer(sentences), Scene(embedded.parts["bqnet.rooms"], room).refer(sentences)):
        same(together, single)


def test_embedded_superpoints_are_one_and_the_same(embedded, room):
    sample = embedded.prepare(room)
    lground, bqnet = sample.parts
    _, rows = np.unique(lground.superpoints, return_inverse=True)
    np.testing.assert_array_equal(rows, bqnet.scan.index)
