"""`saymask find`, `click` and `segment`: what they print, write and refuse, with a model that sees only colour."""

import json
import re
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from saymask.answers import Classes, Objects, Prediction
from saymask.cli.coordinates import arranged, read_place
from saymask.cli.report import table
from saymask.errors import InputError
from saymask.hub import checkpoints, headers, registry
from saymask.io.ply import read_ply, write_ply
from saymask.models.base import Model, Preset
from tests.cli.test_cli import refused, run
from tests.models import toy_model

PAINTS = {"floor": (120, 120, 120), "red": (200, 30, 30), "green": (30, 170, 40), "blue": (40, 60, 200)}
IDS = (2, 7, 11, 40)
COUNTS = {"floor": 300, "red": 40, "green": 90, "blue": 60}
"""Points of each colour in the scan of these tests."""


@dataclass(frozen=True)
class PainterConfig:
    find_threshold: float = 0.5


class Painter(Model):
    """Knows the colours of `PAINTS` as classes and as words; one object per colour but the floor's."""

    system = "painter"

    def __init__(self, config: PainterConfig) -> None:
        super().__init__()
        self.config = config
        self.paints = nn.Parameter(torch.tensor(list(PAINTS.values()), dtype=torch.float32))

    @property
    def find_threshold(self) -> float:
        return self.config.find_threshold

    def prepare(self, scan, annotations=(), *, rng=None) -> Tensor:
        return torch.from_numpy(scan.colors.astype(np.float32))

    def collate(self, samples: list[Tensor]) -> Tensor:
        return torch.stack(samples)

    def encode_batch(self, batch: Tensor) -> Tensor:
        """Return [S, C]: how near each point is to each colour, 1 = the same."""
        return 1 - torch.cdist(batch[0], self.paints) / 442

    def losses(self, batch) -> dict[str, Tensor]:
        return {"nothing": self.paints.sum() * 0}

    def semantic(self, encoded: Tensor, classes=None) -> Classes:
        if isinstance(classes, str):
            raise InputError(f"painter has its own classes, not {classes}")
        names, ids = tuple(PAINTS), IDS
        if classes is not None:
            rows = [names.index(name) for name in classes]
            encoded, names, ids = encoded[:, rows], tuple(classes), tuple(range(1, len(classes) + 1))
        values, own = encoded.max(1)
        return Classes(own.numpy(), values.numpy(), np.arange(len(own)), names, ids)

    def instances(self, encoded: Tensor) -> Objects:
        own = encoded.argmax(1)
        masks = torch.stack([own == c for c in (1, 2, 3)]).numpy()
        scores = np.array([0.9, 0.8, 0.7], np.float32)
        return Objects(masks, scores, np.array([1, 2, 3]), np.arange(len(own)), tuple(PAINTS), IDS)

    def scan_features(self, batch: Tensor) -> list[tuple[Tensor, np.ndarray]]:
        return [(batch[0], np.arange(len(batch[0])))]

    def find(self, encoded: Tensor, names, *, threshold=None) -> Objects:
        least = self.config.find_threshold if threshold is None else threshold
        known = tuple(PAINTS)
        rows = [encoded[:, known.index(n)] if n in known else torch.full((len(encoded),), 0.1) for n in names]
        masks = torch.stack([row >= least for row in rows]).numpy()
        best = tuple(float(row.max()) for row in rows)
        hit = np.flatnonzero(masks.any(1))
        scores = np.array([best[i] for i in hit], np.float32)
        ids = tuple(range(1, len(names) + 1))
        return Objects(masks[hit], scores, hit, np.arange(len(encoded)), tuple(names), ids, best)


def tiny() -> Preset:
    return Preset("painter.tiny", "painter", PainterConfig())


class Clicker(Painter):
    """Also answers clicks: what has nearly the colour of the place."""

    system = "clicker"

    def encode_batch(self, batch: Tensor) -> Tensor:  # type: ignore[override]
        return batch[0]

    def click(self, encoded: Tensor, points: np.ndarray) -> Prediction:
        logits = 1 - torch.cdist(encoded[torch.from_numpy(points)], encoded) / 100
        return Prediction(logits, torch.linspace(0.9, 0.5, len(points)), np.arange(len(encoded)))

    def panoptic(self, encoded: Tensor) -> Objects:
        own = torch.cdist(encoded, self.paints).argmin(1)
        masks = torch.stack([own == c for c in range(4)]).numpy()
        return Objects(
            masks, np.array([0.6, 0.9, 0.8, 0.7], np.float32), np.arange(4), np.arange(len(own)), tuple(PAINTS), IDS
        )


def tiny_clicker() -> Preset:
    return Preset("clicker.tiny", "clicker", PainterConfig())


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    toy_model.register(monkeypatch)
    monkeypatch.setitem(registry.SYSTEMS, "painter", f"{__name__}:Painter")
    monkeypatch.setitem(registry.PRESETS, "painter.tiny", f"{__name__}:tiny")
    monkeypatch.setitem(registry.SYSTEMS, "clicker", f"{__name__}:Clicker")
    monkeypatch.setitem(registry.PRESETS, "clicker.tiny", f"{__name__}:tiny_clicker")


@pytest.fixture
def weights(monkeypatch, tmp_path):
    """The embedded checkpoints: a painter, which is the default, and nothing else."""
    folder = tmp_path / "weights"
    folder.mkdir()
    checkpoints.save_checkpoint(registry.build("painter.tiny"), folder / "painter.tiny.safetensors")
    monkeypatch.setattr(headers, "WEIGHTS", (folder,))
    monkeypatch.setattr(headers, "DEFAULT", "painter.tiny")
    return folder


@pytest.fixture
def clicker(weights):
    """One more embedded checkpoint, which answers what the default does not: clicks and panoptic."""
    return checkpoints.save_checkpoint(registry.build("clicker.tiny"), weights / "clicker.tiny.safetensors")


@pytest.fixture
def scan(tmp_path):
    """A room with a grey floor and three coloured boxes, as a PLY file."""
    rng = np.random.default_rng(0)
    points = np.concatenate(
        [rng.random((n, 3)) * [0.4, 0.4, 0.5] + [i * 0.8, 0.3, 0] for i, n in enumerate(COUNTS.values())]
    )
    points[: COUNTS["floor"]] = rng.random((COUNTS["floor"], 3)) * [3, 2, 0.01]
    colors = np.repeat(np.array(list(PAINTS.values()), "u1"), list(COUNTS.values()), axis=0)
    columns = {axis: points[:, i].astype("<f4") for i, axis in enumerate("xyz")}
    columns |= {name: colors[:, i] for i, name in enumerate(("red", "green", "blue"))}
    write_ply(tmp_path / "room.ply", columns)
    return tmp_path / "room.ply"


def ask(capsys, command, scan, *arguments):
    code, out, err = run(capsys, command, scan, *arguments, "--unit", "m", "--up", "z")
    assert code == 0
    assert "Traceback" not in err
    return out


def test_find_prints_the_masks_of_each_word(capsys, scan, weights):
    lines = ask(capsys, "find", scan, "blue", "red", "exit sign", "--threshold", "0.9").splitlines()
    assert len(lines) == 3
    # Both fit fully: masks are numbered by the model, lines are ordered by the words.
    assert lines[0] == "mask 0  blue  score 1.00  60 points  box (2.40, 0.30, 0.01) to (2.80, 0.70, 0.50) m"
    assert lines[1].startswith("mask 1  red  score 1.00  40 points  box (")
    assert "exit sign" in lines[2]
    assert "0.10" in lines[2]
    assert "blue" not in lines[2]


def test_find_orders_lines_by_word_and_numbers_masks_by_score(capsys, scan, weights, monkeypatch):
    find = Painter.find

    def unsure(self, encoded, names, *, threshold=None):
        found = find(self, encoded, names, threshold=threshold)
        return Objects(**{**vars(found), "scores": np.array([0.6, 0.8], np.float32)})

    monkeypatch.setattr(Painter, "find", unsure)
    lines = ask(capsys, "find", scan, "red", "green", "--threshold", "0.9").splitlines()
    assert [line.split("  ")[:3] for line in lines] == [
        ["mask 1", "red", "score 0.60"],
        ["mask 0", "green", "score 0.80"],
    ]


def test_find_json(capsys, scan, weights):
    report = json.loads(ask(capsys, "find", scan, "green", " exit   sign ", "--threshold", "0.9", "--json"))
    assert set(report) == {"scan", "words", "threshold", "model", "points", "masks", "message", "seconds"}
    assert report["scan"] == str(scan)
    assert report["words"] == ["green", "exit sign"]
    assert report["threshold"] == 0.9
    assert report["model"] == "painter.tiny"
    assert report["points"] == sum(COUNTS.values())
    assert "exit sign" in report["message"]
    (mask,) = report["masks"]
    assert set(mask) == {"name", "label", "score", "points", "box_min", "box_max"}
    assert (mask["name"], mask["label"], mask["score"], mask["points"]) == ("green", 1, 1.0, COUNTS["green"])
    assert {"load", "model", "encode", "find"} <= set(report["seconds"])


def test_find_uses_the_models_threshold_unless_told(capsys, scan, weights):
    own = json.loads(ask(capsys, "find", scan, "floor", "--json"))
    asked = json.loads(ask(capsys, "find", scan, "floor", "--threshold", "0.5", "--json"))
    strict = json.loads(ask(capsys, "find", scan, "floor", "--threshold", "1", "--json"))
    assert own["threshold"] is None
    assert own["masks"] == asked["masks"]
    assert strict["masks"][0]["points"] == COUNTS["floor"] < own["masks"][0]["points"]


def test_find_nothing_is_an_answer(capsys, scan, weights, tmp_path):
    picture = tmp_path / "none.png"
    out = ask(capsys, "find", scan, "exit sign", "--picture", picture, "--out", tmp_path / "none.ply")
    assert "exit sign" in out
    assert "mask" not in out
    assert picture.read_bytes()[1:4] == b"PNG"


def test_segment_prints_classes_largest_first(capsys, scan, weights):
    lines = ask(capsys, "segment", scan).splitlines()
    assert lines[0].split() == ["label", "class", "points"]
    assert [line.split() for line in lines[1:]] == [
        ["2", "floor", "300"],
        ["11", "green", "90"],
        ["40", "blue", "60"],
        ["7", "red", "40"],
    ]


def test_segment_by_a_list_of_names(capsys, scan, weights):
    lines = ask(capsys, "segment", scan, "--classes", " red , floor ").splitlines()
    assert {tuple(line.split()[:2]) for line in lines[1:]} == {("1", "red"), ("2", "floor")}
    assert sum(int(line.split()[2]) for line in lines[1:]) == sum(COUNTS.values())


def test_segment_json(capsys, scan, weights):
    report = json.loads(ask(capsys, "segment", scan, "--classes", "red,green", "--json"))
    assert set(report) == {"scan", "task", "classes", "model", "points", "masks", "message", "seconds"}
    assert (report["task"], report["classes"]) == ("semantic", ["red", "green"])
    assert sum(mask["points"] for mask in report["masks"]) == report["points"]
    assert json.loads(ask(capsys, "segment", scan, "--json"))["classes"] is None


def test_segment_instances(capsys, scan, weights):
    lines = ask(capsys, "segment", scan, "--task", "instances").splitlines()
    assert lines[0].split() == ["mask", "class", "score", "points", "box"]
    assert [line.split()[:4] for line in lines[1:]] == [
        ["1", "green", "0.80", "90"],
        ["2", "blue", "0.70", "60"],
        ["0", "red", "0.90", "40"],
    ]
    assert lines[2].endswith(" m")
    report = json.loads(ask(capsys, "segment", scan, "--task", "instances", "--json"))
    # In JSON place i is mask i, as in the saved file.
    assert [mask["name"] for mask in report["masks"]] == ["red", "green", "blue"]
    assert "instances" in report["seconds"]


@pytest.mark.parametrize("task", ["semantic", "instances"])
def test_segment_saves_what_it_reports(capsys, scan, weights, tmp_path, task):
    out, picture = tmp_path / "new" / "x.ply", tmp_path / "new" / "x.png"
    printed = ask(capsys, "segment", scan, "--task", task, "--out", out, "--picture", picture, "--json")
    report = json.loads(printed)
    column = read_ply(out).columns["mask_id"]
    counts = [int((column == i).sum()) for i in range(len(report["masks"]))]
    assert counts == [mask["points"] for mask in report["masks"]]
    assert picture.read_bytes()[1:4] == b"PNG"
    assert {"save", "picture"} <= set(report["seconds"])


def test_segment_writes_the_features_of_every_point(capsys, scan, weights, tmp_path):
    ask(capsys, "segment", scan, "--features", str(tmp_path / "f.npy"))
    found = np.load(tmp_path / "f.npy")
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, read_ply(scan).colors)
    for where, name in ((scan, "f.txt"), (scan.parent, "f.npy")):
        assert "expected one scan and a name that ends in .npy" in refused(capsys, "segment", where, "--features", name)


def test_segment_without_an_object(capsys, scan, weights, monkeypatch):
    nothing = Objects(np.zeros((0, 490), bool), np.zeros(0), np.zeros(0, np.int64), np.arange(490), tuple(PAINTS), IDS)
    monkeypatch.setattr(Painter, "instances", lambda *_: nothing)
    assert ask(capsys, "segment", scan, "--task", "instances").strip() == "no object was found"


def test_the_named_model_is_used(capsys, scan, weights, tmp_path):
    path = checkpoints.save_checkpoint(registry.build("painter.tiny"), tmp_path / "mine.safetensors", {"name": "mine"})
    assert json.loads(ask(capsys, "segment", scan, "--model", path, "--json"))["model"] == "mine"


def test_one_checkpoint_is_loaded_and_named(capsys, scan, clicker, monkeypatch):
    asked = []
    load = checkpoints.load_model
    monkeypatch.setattr(checkpoints, "load_model", lambda name, **options: asked.append(name) or load(name, **options))
    for command in (["find", scan, "red"], ["click", scan, RED]):
        code, _, err = run(capsys, *command)
        assert code == 0
        assert f"model  {asked[-1]}" in err.splitlines()
    assert asked == ["painter.tiny", "clicker.tiny"]


RED, GREEN, BLUE = "0.9,0.5,0.25", "1.8,0.5,0.25", "2.6,0.5,0.25"
"""Places inside the three boxes."""


def test_click_marks_one_object(capsys, scan, clicker):
    (line,) = ask(capsys, "click", scan, GREEN).splitlines()
    assert line.startswith(f"mask 0  score 0.90  {COUNTS['green']} points  box (1.6")
    assert line.endswith(" m")
    (line,) = ask(capsys, "click", scan, GREEN, RED).splitlines()
    assert f"  {COUNTS['green'] + COUNTS['red']} points  " in line


def test_click_separate_objects(capsys, scan, clicker):
    lines = ask(capsys, "click", scan, BLUE, RED, "--separate").splitlines()
    assert [line.split("  ")[:4] for line in lines] == [
        ["mask 0", "object 0", "score 0.90", "60 points"],
        ["mask 1", "object 1", "score 0.50", "40 points"],
    ]


def test_click_json_and_what_does_not_belong(capsys, scan, clicker, tmp_path):
    out, picture = tmp_path / "hit.ply", tmp_path / "hit.png"
    arguments = [GREEN, RED, "--not", BLUE, "--json", "--out", out, "--picture", picture]
    report = json.loads(ask(capsys, "click", scan, *arguments))
    assert set(report) == {"scan", "clicks", "not", "separate", "model", "points", "masks", "message", "seconds"}
    assert report["clicks"] == [[1.8, 0.5, 0.25], [0.9, 0.5, 0.25]]
    assert report["not"] == [[2.6, 0.5, 0.25]]
    assert report["separate"] is False
    assert report["model"] == "clicker.tiny"
    (mask,) = report["masks"]
    assert set(mask) == {"name", "score", "points", "box_min", "box_max"}
    assert mask["points"] == COUNTS["green"] + COUNTS["red"]
    assert int((read_ply(out).columns["mask_0"] == 1).sum()) == mask["points"]
    assert picture.read_bytes()[1:4] == b"PNG"
    assert {"load", "model", "encode", "click"} <= set(report["seconds"])


@pytest.mark.parametrize("separate", [[], ["--separate"]], ids=["together", "separate"])
def test_places_after_not_belong_to_no_object(capsys, scan, clicker, separate):
    floor = "0.5,1.5,0.0"
    for form in (["--not", floor, BLUE], ["--not", floor, "--not", BLUE], [f"--not={floor}", f"--not={BLUE}"]):
        report = json.loads(ask(capsys, "click", *form, scan, GREEN, RED, "--json", *separate))
        assert len(report["not"]) == 2
        points = [mask["points"] for mask in report["masks"]]
        assert points == ([COUNTS["green"], COUNTS["red"]] if separate else [COUNTS["green"] + COUNTS["red"]])


def test_negative_coordinates(capsys, scan, clicker, tmp_path):
    columns = read_ply(scan).columns
    for axis, moved in (("x", 2.2), ("y", 1.0), ("z", 0.5)):
        columns[axis] = columns[axis] - np.float32(moved)
    write_ply(tmp_path / "moved.ply", columns)
    red, blue, green = "-1.3,-0.5,-0.25", "0.4,-.5,-0.25", "-0.4,-0.5,-2.5e-1"
    report = json.loads(ask(capsys, "click", tmp_path / "moved.ply", red, "--not", green, "--json"))
    assert report["clicks"] == [[-1.3, -0.5, -0.25]]
    assert report["not"] == [[-0.4, -0.5, -0.25]]
    assert report["masks"][0]["points"] == COUNTS["red"]
    lines = ask(capsys, "click", tmp_path / "moved.ply", red, f" {blue}", f"({green})", "--separate").splitlines()
    assert [line.split("  ")[3] for line in lines] == ["40 points", "60 points", "90 points"]


def test_a_click_far_away_or_against_itself(capsys, scan, clicker):
    said = refused(capsys, "click", scan, GREEN, "-9,0.5,0.25", "--unit", "m", "--up", "z")
    assert "click (-9.00, 0.50, 0.25): expected a place on the scan" in said
    said = refused(capsys, "click", scan, GREEN, "--not", GREEN, "--unit", "m", "--up", "z")
    assert "a positive and a negative one (click 1 and click 2 of 2)" in said


number = st.floats(-1e3, 1e3).map(lambda v: f"{v:.3f}")
place = st.tuples(number, number, number).map(",".join)


@settings(deadline=None)
@given(st.lists(place, min_size=1, max_size=3), st.lists(st.lists(place, min_size=1, max_size=2), max_size=3))
def test_places_keep_their_order_and_side(inside, outside):
    line = ["scan.ply", *inside, *(word for group in outside for word in ("--not", *group)), "--json"]
    rest = arranged(line)
    if outside:
        at = rest.index("--not")
        assert [read_place(t) for t in rest[at + 1 :]] == [read_place(t) for group in outside for t in group]
        rest = rest[:at]
    assert (rest[0], rest[-1]) == ("scan.ply", "--json")
    assert [read_place(t) for t in rest[1:-1]] == [read_place(t) for t in inside]
    assert not any(re.match(r"-[\d.]", word) for word in rest)


def test_what_is_no_place_stays():
    line = ["a-b.ply", "-h", "--out", "x,y.ply", "1,2,3", "-0.5,1", "--unit", "m"]
    assert arranged(line) == [*line[:5], "(-0.5,1)", *line[6:]]
    assert arranged(["--not", "1,2,3", "room.ply", "4,5,6"]) == ["room.ply", "4,5,6", "--not", "1,2,3"]
    assert arranged(["s", "--not", "(1,2,3)", "(4,5,6)"]) == ["s", "--not", "(1,2,3)", "(4,5,6)"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["click"], "at least one place"),
        (["click", "1,2"], "'1,2'"),
        (["click", "-1,2"], "'-1,2'"),
        (["click", "1", "2", "3"], "'1'"),
        (["click", "1,2,x"], "three numbers X,Y,Z in metres"),
        (["click", "1,2,3,4"], "three numbers"),
        (["click", "1,nan,3"], "got (1, nan, 3)"),
        (["click", "1,2,3", "--not"], "--not: expected a place X,Y,Z after it"),
        (["click", "1,2,3", "--not", "--json"], "--not: expected a place X,Y,Z after it"),
        (["click", "1,2,3", "--not", "lamp"], "'lamp'"),
        (["click", "1,2,3", "--not", "inf,0,0"], "got (inf, 0, 0)"),
        (["click", "--not", "1,2,3"], "at least one place"),
        (["click", "1,2,3", "--out", "x.xyz"], ".xyz"),
        (["find"], "words"),
        (["find", ""], "empty"),
        (["find", "lamp", "  "], "empty"),
        (["find", "lamp", "Lamp"], "twice"),
        (["find", "lamp", "--threshold", "1.5"], "1.5"),
        (["find", "lamp", "--threshold", "nan"], "nan"),
        (["find", "lamp", "--out", "x.xyz"], ".xyz"),
        (["find", "lamp", "--picture", "x.jpg"], ".jpg"),
        (["segment", "--classes", ""], "scannet200, scannet20"),
        (["segment", "--classes", "scannet2000"], "did you mean 'scannet200'"),
        (["segment", "--classes", "chair"], "'chair'"),
        (["segment", "--classes", "chair,,lamp"], "empty"),
        (["segment", "--classes", "chair,chair"], "twice"),
        (["segment", "--task", "instances", "--classes", "scannet200"], "--task semantic"),
        (["segment", "--picture", "x"], "no suffix"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_refused_before_the_scan_is_read(capsys, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    assert says in refused(capsys, arguments[0], "no-scan.ply", *arguments[1:])


def test_unknown_task_is_refused(capsys, scan):
    code, _, err = run(capsys, "segment", scan, "--task", "parts")
    assert code == 2
    assert "panoptic" in err


@pytest.mark.parametrize("command", [["find", "SCAN", "red"], ["segment", "SCAN"]])
def test_output_that_cannot_be_written_is_refused(capsys, scan, weights, tmp_path, command):
    (tmp_path / "file").touch()
    arguments = [scan if a == "SCAN" else a for a in command]
    for flag, name in (("--out", "x.ply"), ("--picture", "x.png")):
        assert "cannot write" in refused(capsys, *arguments, flag, tmp_path / "file" / name)


@pytest.mark.parametrize(
    ("arguments", "verb"),
    [
        (["find", "SCAN", "red"], "find"),
        (["click", "SCAN", "-1,0,0"], "click"),
        (["segment", "SCAN"], "semantic"),
        (["segment", "SCAN", "--task", "instances"], "instances"),
        (["segment", "SCAN", "--task", "panoptic"], "panoptic"),
    ],
)
def test_a_model_that_cannot_answer_is_named(capsys, scan, monkeypatch, tmp_path, arguments, verb):
    arguments = [scan if a == "SCAN" else a for a in arguments]
    path = checkpoints.save_checkpoint(registry.build("toy.tiny"), tmp_path / "toy.tiny.safetensors")
    said = refused(capsys, *arguments, "--model", path)
    assert f"toy.tiny answers refer, not {verb}" in said
    # Nor is there an embedded one that does.
    monkeypatch.setattr(headers, "WEIGHTS", (tmp_path,))
    assert verb in refused(capsys, *arguments)
    monkeypatch.setattr(headers, "WEIGHTS", ())
    said = refused(capsys, *arguments)
    assert verb in said
    assert "--model" in said


def test_a_class_list_that_the_model_lacks_is_refused(capsys, scan, weights):
    assert "painter has its own classes, not scannet20" in refused(capsys, "segment", scan, "--classes", "scannet20")


def test_segment_panoptic(capsys, scan, clicker, tmp_path):
    out = tmp_path / "x.ply"
    lines = ask(capsys, "segment", scan, "--task", "panoptic", "--out", out).splitlines()
    assert lines[0].split() == ["mask", "class", "score", "points", "box"]
    assert [line.split()[:4] for line in lines[1:]] == [
        ["3", "floor", "0.60", "300"],
        ["1", "green", "0.80", "90"],
        ["2", "blue", "0.70", "60"],
        ["0", "red", "0.90", "40"],
    ]
    # without overlap two columns say everything
    columns = read_ply(out).columns
    assert "mask_0" not in columns
    assert sorted(set(columns["label"].tolist())) == sorted(IDS)
    report = json.loads(ask(capsys, "segment", scan, "--task", "panoptic", "--json"))
    assert report["task"] == "panoptic"
    assert "panoptic" in report["seconds"]


def test_panoptic_is_refused_by_the_scene(capsys, scan, weights):
    path = weights / "painter.tiny.safetensors"
    said = refused(capsys, "segment", scan, "--task", "panoptic", "--model", path)
    assert "painter.tiny answers find, semantic, instances, not panoptic" in said


cells = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=12)


@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=6))
def test_table_keeps_every_cell_in_its_column(rows):
    lines = list(table(("label", "class", "points"), rows))
    assert [tuple(line.split()) for line in lines[1:]] == rows
    assert len({len(line) for line in lines}) == 1  # the last column is flush right
    start = lines[0].index("class")
    for line, row in zip(lines[1:], rows):
        assert line[start:].startswith(row[1])


def test_table_without_rows_is_nothing():
    assert list(table(("class", "points"), [])) == []
