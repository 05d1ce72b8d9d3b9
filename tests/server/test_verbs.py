"""Every verb over HTTP equals the library's answer, as JSON, as a file, and as a picture."""

import io
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from PIL import Image

import saymask
from saymask.errors import InputError
from saymask.io.load import load_scan
from saymask.render.picture import draw
from saymask.server.refusal import Refusal
from tests.server.serving import same

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*trained on synthetic rooms")]
SENTENCES = ["the fridge", "the chairs at the round table", "the elephant that plays the violin"]
ASKED = {
    "refer": lambda scene: scene.refer("the fridge"),
    "refer one": lambda scene: scene.refer("the sink", count="one"),
    "find": lambda scene: scene.find(["something to sit on", "lamp"]),
    "find all": lambda scene: scene.find("chair", threshold=0.1),
    "click": lambda scene: scene.click((-1.1, 4.1, 0.45)),
    "click off": lambda scene: scene.click(
        [(-1.1, 4.1, 0.45), (0.5, 1.2, 0.6), (0.0, 3.0, 0.0)], positive=[True, True, False], objects=[0, 1, 1]
    ),
    "semantic": lambda scene: scene.semantic(),
    "semantic names": lambda scene: scene.semantic(["chair", "wall", "floor"]),
    "instances": lambda scene: scene.instances(),
    "panoptic": lambda scene: scene.panoptic(),
}


@pytest.fixture(scope="module")
def kitchen(served, model, root):
    """The kitchen on the server, and here."""
    return served.client.load("kitchen.ply"), model.encode(load_scan(root / "kitchen.ply", quiet=True))


@pytest.mark.parametrize("what", ASKED)
def test_a_verb_equals_the_librarys(kitchen, what):
    remote, scene = kitchen
    answer, masks = ASKED[what](remote), ASKED[what](scene)
    assert len(masks)
    same(answer, masks)
    back = answer.over(scene.scan)
    np.testing.assert_array_equal(back.dense, masks.dense)
    assert back.names == masks.names


def test_a_verb_equals_the_librarys_on_an_upload(served, model, root):
    path = root / "rooms" / "room.ply"
    remote = served.client.upload(path)
    scene = model.encode(load_scan(path, quiet=True))
    same(remote.refer("the bed"), scene.refer("the bed"))
    same(remote.panoptic(), scene.panoptic())
    remote.forget()
    with pytest.raises(Refusal, match="there is none with the id"):
        remote.panoptic()


def test_sentences_are_answered_in_their_order(kitchen):
    remote, scene = kitchen
    answers = remote.refer(SENTENCES)
    for answer, masks in zip(answers, scene.refer(SENTENCES), strict=True):
        same(answer, masks)
    assert not remote.find("xylophone", threshold=0.99).masks
    assert remote.find("xylophone", threshold=0.99).message
    assert remote.refer([]) == []
    whole = remote.answer("refer", sentences=SENTENCES)
    assert whole.model == "uniseg3d.rooms"
    assert whole.caution == ""  # a room of `saymask rooms`
    assert 0 <= whole.seconds < 60


@pytest.mark.parametrize(
    ("kind", "colored"), [("npz", None), ("ply", None), ("ply", True), ("glb", None), ("glb", False)]
)
def test_files_equal_the_librarys(kitchen, tmp_path, kind, colored):
    remote, scene = kitchen
    options = {} if colored is None else {"colored": colored}
    content = remote.file("find", kind, names=["chair"], options=options)
    path = scene.find(["chair"]).save(tmp_path / f"own.{kind}", colored=colored)
    if kind != "npz":
        assert content == path.read_bytes()
        return
    with np.load(io.BytesIO(content)) as got, np.load(path) as own:  # a ZIP, which holds times
        assert got.files == own.files
        for name in own.files:
            np.testing.assert_array_equal(got[name], own[name])


def test_a_picture_equals_the_librarys(kitchen):
    remote, scene = kitchen
    options = {"width": 320, "height": 240, "view": "top"}
    content = remote.file("click", "png", points=[[-1.1, 4.1, 0.45]], positive=[True], options=options)
    clicks = [((-1.1, 4.1, 0.45), True)]
    own = draw(scene.scan, scene.click((-1.1, 4.1, 0.45)), size=(320, 240), view="top", clicks=clicks)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), np.asarray(own))


def test_names_of_files(served, kitchen):
    address = f"{served.url}/scans/{kitchen[0].id}/semantic"
    response = httpx.post(address, params={"format": "png", "width": 200, "height": 150}, json={}, timeout=60)
    assert response.headers["content-type"] == "image/png"
    assert response.headers["content-disposition"] == "attachment; filename*=UTF-8''kitchen_masks.png"
    assert Image.open(io.BytesIO(response.content)).size == (200, 150)


def test_eight_at_once_get_what_they_would_get_alone(kitchen):
    remote, scene = kitchen
    asked = [f"the {thing} {i}" for i in range(3) for thing in ("chair", "window", "sink", "table")]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(remote.refer, asked))
    for answer, masks in zip(answers, scene.refer(asked), strict=True):
        same(answer, masks)


@pytest.mark.parametrize(
    ("verb", "question", "words"),
    [
        ("refer", {"sentences": ["  "]}, "sentence: expected a description"),
        ("refer", {"sentences": ["x " * 600]}, "at most 512 words"),
        ("refer", {"sentences": []}, "sentences: list should have at least 1 item"),
        ("refer", {"sentences": ["a", 3]}, r"sentences\.1: input should be a valid string, got 3"),
        ("refer", {"sentences": ["a"], "count": "two"}, "count: "),
        ("refer", {"sentence": "a"}, "sentences: field required"),
        ("find", {"names": ["lamp", "Lamp"]}, "expected every name once"),
        ("find", {"names": ["lamp"], "threshold": 2}, "threshold: "),
        ("click", {"points": [[0, 0, 90]]}, "from the nearest point|nearest point"),
        ("click", {"points": [[0, 0]]}, "three finite numbers"),
        ("click", {"points": [[0, 0, 1], [1, 1]]}, "three finite numbers"),
        ("click", {"points": [[-1.1, 4.1, 0.45]], "positive": False}, "expected a positive click"),
        ("click", {"points": [[-1.1, 4.1, 0.45]], "objects": [-1]}, "objects"),
        ("semantic", {"classes": "nosuchset"}, "nosuchset"),
        ("semantic", {"classes": []}, "at least one name"),
    ],
)  # fmt: skip
def test_bad_questions_are_refused_in_words(kitchen, verb, question, words):
    with pytest.raises(Refusal, match=words) as refusal:
        kitchen[0].answer(verb, **question)
    assert refusal.value.status == 422
    assert isinstance(refusal.value, InputError)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"format": "exe"}, "format: "),
        ({"format": "png", "width": 9999}, "width: "),
        ({"format": "png", "view": "below"}, "view: "),
        ({"formats": "png"}, "formats: "),
    ],
)
def test_bad_outputs_are_refused_in_words(served, kitchen, parameters, words):
    address = f"{served.url}/scans/{kitchen[0].id}/instances"
    response = httpx.post(address, params=parameters, timeout=60)
    assert response.status_code == 422
    assert response.json()["error"].startswith(words)


def test_a_file_is_of_one_sentence(kitchen):
    with pytest.raises(Refusal, match="expected one sentence, got 2"):
        kitchen[0].file("refer", "png", sentences=["a", "b"])


def test_a_mesh_is_not_asked_of_a_cloud(served):
    cloud = served.client.load("rooms/room.ply")
    with pytest.raises(Refusal, match="faces") as refusal:
        cloud.file("find", "glb", names=["bed"])
    assert refusal.value.status == 422


def test_the_model_is_described(served, model):
    described = served.client.model()
    assert described.name == "uniseg3d.rooms"
    assert described.verbs == list(model.verbs)
    assert described.version == saymask.__version__
    assert "synthetic" in described.caution
