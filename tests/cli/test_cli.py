"""The command as a user meets it: what it prints, its exit codes, and one line for what the user can mend."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import saymask
from saymask import cli
from saymask.hub import headers
from saymask.io.ply import write_ply
from tests.data.fake_scannet import make_fake_scannet
from tests.io.rooms import furnished_room
from tests.text.tiny import tiny_clip

COMMANDS = (
    "demo", "refer", "find", "click", "segment", "view", "serve", "rooms", "prepare", "anchors", "train", "evaluate",
    "compare", "convert", "get", "publish", "models", "doctor", "completion",
)  # fmt: skip


@pytest.fixture
def room(tmp_path):
    """A furnished room as a PLY file, and how many points it holds."""
    points, colors = furnished_room()[:2]
    columns = {name: points[:, i].astype("<f4") for i, name in enumerate("xyz")}
    columns |= {name: colors[:, i].astype("u1") for i, name in enumerate(("red", "green", "blue"))}
    write_ply(tmp_path / "room.ply", columns)
    return tmp_path / "room.ply", len(points)


def run(capsys, *arguments):
    """Return (exit code, standard output, standard error) of one command line."""
    with pytest.raises(SystemExit) as stop:
        cli.main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return stop.value.code or 0, captured.out, captured.err


def refused(capsys, *arguments):
    """Return the one line on standard error of a command that exits with 2."""
    code, out, err = run(capsys, *arguments)
    lines = [line for line in err.splitlines() if line.startswith("saymask: error:")]
    assert code == 2
    assert out == ""
    assert len(lines) == 1
    assert "Traceback" not in err
    return lines[0]


def test_help_names_every_command(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for command in COMMANDS:
        assert f"  {command} " in out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(capsys, command):
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert "usage: saymask" in out


@pytest.mark.parametrize("word", ["--version", "-V", "version"])
def test_version(capsys, word):
    assert run(capsys, word)[1].strip() == f"saymask {saymask.__version__}"


def test_models_json(capsys):
    report = json.loads(run(capsys, "models", "--json")[1])
    assert "uniseg3d.rooms" in [card["name"] for card in report["checkpoints"]]
    assert "less.scanrefer" in report["presets"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_and_flags(capsys, shell):
    code, out, _ = run(capsys, "completion", shell)
    assert code == 0
    for word in (*COMMANDS, "--sentences", "--picture"):
        assert word in out


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("rooms", "saymask: interrupted; the same command goes on where it stopped"),
        ("doctor", "saymask: interrupted"),
    ],
)
def test_interrupted(capsys, monkeypatch, tmp_path, command, says):
    def stopped(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run", stopped)
    code, _, err = run(capsys, command, tmp_path)
    assert code == 130
    assert err.strip() == says


@pytest.mark.slow
def test_an_interrupt_ends_the_process(tmp_path):
    command = [
        sys.executable,
        "-m",
        "saymask",
        "rooms",
        str(tmp_path / "raw"),
        "--split",
        "train=500",
        "--workers",
        "1",
    ]

    def listening():  # whatever started the tests may ignore interrupts
        signal.signal(signal.SIGINT, signal.default_int_handler)

    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=listening
    ) as p:
        until = time.monotonic() + 120
        while time.monotonic() < until and not any((tmp_path / "raw").glob("scans/*")):
            time.sleep(0.1)
        p.send_signal(signal.SIGINT)
        said, _ = p.communicate(timeout=60)
    assert p.returncode == 130
    assert said.strip().endswith("saymask: interrupted; the same command goes on where it stopped")
    assert "Traceback" not in said


def test_who_reads_may_have_enough():
    command = f"{sys.executable} -m saymask models --json | head -c 5; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == '{"che'
    assert done.stderr == ""


def test_unknown_command(capsys):
    assert "'reffer'" in refused(capsys, "reffer", "x.ply", "the chair")


def test_import_and_help_are_light():
    code = "import sys, saymask, saymask.cli; print({'torch', 'numba', 'transformers', 'lightning'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_models_lists_the_embedded_checkpoint(capsys):
    code, out, _ = run(capsys, "models")
    assert code == 0
    assert "less.rooms" in out
    assert "refer*" in out
    assert "* answered by this checkpoint when no model is named" in out


def test_doctor(capsys):
    code, out, _ = run(capsys, "doctor")
    assert code == 0
    assert "torch" in out
    line = next(line for line in out.splitlines() if line.startswith("checkpoints: "))
    named = dict(re.findall(r"([\w.]+)(?: \(default for ([\w, ]+)\))?", line.partition(": ")[2]))
    assert named == {card["name"]: ", ".join(card["default_for"]) for card in headers.list_models()}
    assert "refer" in "".join(named.values())


def test_refer_json_is_one_object(capsys, room):
    path, count = room
    code, out, err = run(capsys, "refer", path, "the brown table", "--json")
    assert code == 0
    report = json.loads(out)
    assert set(report) == {"scan", "sentence", "count", "model", "points", "masks", "message", "seconds"}
    assert report["points"] == count
    assert report["sentence"] == "the brown table"
    for mask in report["masks"]:
        assert set(mask) == {"name", "score", "points", "box_min", "box_max"}
        assert mask["name"] == "the brown table"
        assert 0 < mask["points"] <= count
        assert all(low <= high for low, high in zip(mask["box_min"], mask["box_max"]))
    assert {"load", "model", "refer"} <= set(report["seconds"])
    assert "Traceback" not in err


def test_refer_writes_scan_and_picture(capsys, room, tmp_path):
    path, count = room
    out, picture = tmp_path / "new" / "hit.ply", tmp_path / "new" / "hit.png"
    code, printed, _ = run(capsys, "refer", path, "the brown table", "--out", out, "--picture", picture)
    assert code == 0
    assert printed
    assert out.read_bytes()[:3] == b"ply"
    assert picture.read_bytes()[1:4] == b"PNG"
    assert len(saymask.load_scan(out, quiet=True)) <= count


@pytest.mark.parametrize(
    ("sentence", "says"),
    [("", "sentence"), ("   ", "sentence"), ("chair " * 10_000, "10,000")],
    ids=["none", "blank", "long"],
)
def test_refer_refuses_sentence(capsys, room, sentence, says):
    assert says in refused(capsys, "refer", room[0], sentence)


def test_refer_refuses_missing_scan(capsys, tmp_path):
    assert "nowhere.ply" in refused(capsys, "refer", tmp_path / "nowhere.ply", "the chair")


def test_refer_refuses_empty_scan(capsys, tmp_path):
    (tmp_path / "empty.ply").touch()
    assert "empty.ply" in refused(capsys, "refer", tmp_path / "empty.ply", "the chair")


def test_refer_refuses_truncated_scan(capsys, room):
    content = room[0].read_bytes()
    room[0].write_bytes(content[: len(content) // 2])
    assert "room.ply" in refused(capsys, "refer", room[0], "the chair")


def test_refer_refuses_few_points(capsys, tmp_path):
    np.savez(tmp_path / "few.npz", xyz=np.random.RandomState(0).rand(50, 3))
    assert "100" in refused(capsys, "refer", tmp_path / "few.npz", "the chair")


def test_refer_refuses_output_before_work(capsys, room, tmp_path):
    (tmp_path / "file").touch()
    message = refused(capsys, "refer", room[0], "the chair", "--out", tmp_path / "file" / "x.ply")
    assert "cannot write" in message


def test_refer_refuses_output_format(capsys, room, tmp_path):
    assert ".xyz" in refused(capsys, "refer", room[0], "the chair", "--out", tmp_path / "x.xyz")


def test_refer_refuses_pickle(capsys, room, tmp_path):
    import pickle

    (tmp_path / "best.pth").write_bytes(pickle.dumps({"a": 1}))
    assert "saymask convert" in refused(capsys, "refer", room[0], "the chair", "--model", tmp_path / "best.pth")


def test_refer_refuses_unknown_model(capsys, room):
    assert "less.roms" in refused(capsys, "refer", room[0], "the chair", "--model", "less.roms")


def test_rooms_refuses_split(capsys, tmp_path):
    assert "train=0" in refused(capsys, "rooms", tmp_path / "rooms", "--split", "train=0")


def test_rooms_refuses_sensor_that_is_not_there(capsys, tmp_path):
    code, _, err = run(capsys, "rooms", tmp_path / "rooms", "--split", "val=1", "--sensor", "lidar")
    assert code == 2
    assert "lidar" in err
    assert "handheld" in err


def test_prepare_refuses_missing_folder(capsys, tmp_path):
    assert "nowhere" in refused(capsys, "prepare", tmp_path / "nowhere", "--out", tmp_path / "data")


def test_prepare_refuses_json_that_is_not_utf8(capsys, tmp_path):
    make_fake_scannet(tmp_path / "raw", train=1, val=1)
    path = next(Path(tmp_path / "raw").rglob("ScanRefer_filtered_train.json"))
    path.write_bytes(b"\xff\xfe[]")
    assert "UTF-8" in refused(capsys, "prepare", tmp_path / "raw", "--out", tmp_path / "data", "--quiet")


def test_train_without_preset_lists_them(capsys):
    code, out, _ = run(capsys, "train")
    assert code == 2
    assert "less.rooms" in out


def test_train_refuses_unknown_preset(capsys, tmp_path):
    assert "less.room" in refused(capsys, "train", "less.room", "--data", tmp_path, "--out", tmp_path / "run")


def test_train_refuses_data_that_is_not_prepared(capsys, tmp_path):
    assert "prepare" in refused(capsys, "train", "less.rooms", "--data", tmp_path, "--out", tmp_path / "run")


def test_evaluate_refuses_data_that_is_not_prepared(capsys, tmp_path):
    assert "prepare" in refused(capsys, "evaluate", "default", "--data", tmp_path)


@pytest.mark.parametrize("task", ["refer", "semantic", "instances"])
def test_evaluate_leaves_model_and_protocol_to_the_task(capsys, tmp_path, monkeypatch, task):
    asked = {}

    def evaluate(model, request):
        asked.update(vars(request), model=model)
        return asked

    (tmp_path / "manifest.json").write_text('{"splits": {"val": []}}')
    monkeypatch.setattr("saymask.evaluation.run.evaluate", evaluate)
    monkeypatch.setattr("saymask.evaluation.tables.print_table", lambda result, **_: print(result["task"]))
    assert run(capsys, "evaluate", "default", "--data", tmp_path, "--task", task)[1].strip() == task
    assert (asked["model"], asked["task"], asked["protocol"]) == (None, task, None)
    path = tmp_path / "x.safetensors"
    path.touch()
    run(capsys, "evaluate", path, "--data", tmp_path, "--task", task, "--protocol", "scannet")
    assert (asked["model"], asked["protocol"], asked["data"]) == (str(path), "scannet", tmp_path)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--task", "parts"], "'parts'"),
        (["--task", "semantic", "--protocol", "less"], "'less'"),
        (["--protocol", "scannet200"], "'scannet200'"),
    ],
)
def test_evaluate_refuses_task_and_protocol_that_do_not_fit(capsys, tmp_path, words, says):
    (tmp_path / "manifest.json").write_text('{"splits": {"val": []}}')
    code, out, err = run(capsys, "evaluate", "default", "--data", tmp_path, *words)
    assert (code, out) == (2, "")
    assert says in err


def test_convert_hands_its_options_on(capsys, tmp_path, monkeypatch):
    asked = {}

    def convert(system, path, out, **options):
        asked.update(options, system=system)
        return out

    monkeypatch.setattr("saymask.convert.convert", convert)
    out = tmp_path / "x.safetensors"
    flags = ["--preset", "lground.scannet200-ce", "--anchors", tmp_path / "clip.pkl"]
    assert run(capsys, "convert", "lground", tmp_path / "x.ckpt", "--out", out, *flags)[1].strip() == str(out)
    assert (asked["system"], asked["preset"]) == ("lground", "lground.scannet200-ce")
    assert asked["anchors"] == tmp_path / "clip.pkl"
    assert (asked["projections"], asked["text_encoder"]) == (None, None)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.mark.parametrize(("names", "count"), [("scannet200", 200), ("scannet20", 20), ("FILE", 3)])
def test_anchors(capsys, tmp_path, clip, names, count):
    from saymask.models.lground.anchors import load_anchors

    if names == "FILE":
        names = tmp_path / "names.txt"
        names.write_text("chair\n\n desk lamp \ncafé\n", encoding="utf-8")
    out = tmp_path / "new" / "anchors.safetensors"
    code, printed, _ = run(capsys, "anchors", out, "--names", names, "--weights", clip)
    anchors = load_anchors(out)
    assert code == 0
    assert printed.strip() == f"{out}: {count} anchors, {anchors.dim} wide, of clip-vit-b32"
    assert (len(anchors), anchors.encoder) == (count, "clip-vit-b32")
    if count == 3:
        assert anchors.names == ("chair", "desk lamp", "café")


def test_anchors_of_templates_and_a_folder(capsys, tmp_path, clip):
    from saymask.models.lground.anchors import load_anchors, make_anchors

    out = tmp_path / "anchors.safetensors"
    templates = ["a {} in a room", "{}"]
    code, _, _ = run(capsys, "anchors", out, "--names", "scannet20", "--encoder", clip, "--templates", *templates)
    assert code == 0
    saved = load_anchors(out)
    made = make_anchors(saved.names, str(clip), templates=templates)
    assert saved.templates == tuple(templates)
    np.testing.assert_array_equal(saved.features, made.features)


def test_anchors_refuses(capsys, tmp_path, clip, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").write_text("\n \n")
    Path("latin.txt").write_bytes("café".encode("latin-1"))
    Path("double.txt").write_text("chair\nlamp\nchair\n")
    Path("file").touch()
    for arguments, says in (
        (["x.pkl"], ".safetensors"),
        (["file/x.safetensors"], "cannot write"),
        (["x.safetensors", "--names", "scannet300"], "scannet200, scannet20"),
        (["x.safetensors", "--names", "empty.txt"], "empty"),
        (["x.safetensors", "--names", "latin.txt"], "UTF-8"),
        (["x.safetensors", "--names", "double.txt", "--weights", clip], "'chair' twice"),
        (["x.safetensors", "--templates", "a chair", "--weights", clip], "templates"),
        (["x.safetensors", "--encoder", "no-such"], "no-such"),
        (["x.safetensors", "--encoder", "no-such", "--weights", clip], "no-such"),
        (["x.safetensors", "--encoder", "minilm", "--weights", clip], "got a clip model"),
        (["x.safetensors", "--weights", "nowhere"], "nowhere"),
        (["x.safetensors", "--weights", "."], "config.json"),
    ):
        assert says in refused(capsys, "anchors", *arguments)
    assert not Path("x.safetensors").exists()


def test_the_command_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "saymask", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"saymask {saymask.__version__}"


@pytest.mark.slow
def test_from_rooms_to_numbers(capsys, tmp_path):
    """Rooms, prepare, train, evaluate and refer, each through the command."""
    raw, data, made = tmp_path / "raw", tmp_path / "data", tmp_path / "run"
    assert run(capsys, "rooms", raw, "--split", "train=2", "val=1", "--workers", "1")[0] == 0
    assert run(capsys, "prepare", raw, "--out", data, "--workers", "1", "--quiet")[0] == 0
    flags = ["--train.epochs", "1", "--train.workers", "0", "--train.max-val", "4"]
    small = ["--model.widths", "8", "8", "8", "8", "8", "--model.voxel-size", "0.1", "--model.sample-points", "5000"]
    assert run(capsys, "train", "less.rooms", "--data", data, "--out", made, *flags, *small)[0] == 0
    report = tmp_path / "report.json"
    checkpoint = made / "best.safetensors"
    code, out, _ = run(capsys, "evaluate", checkpoint, "--data", data, "--protocol", "3dres", "--json", report)
    assert code == 0
    assert "3dres" in out
    measured = json.loads(report.read_text())
    assert measured["protocol"] == "3dres"
    assert measured["metrics"]["overall"]["n"] == measured["annotations"] > 0
    assert measured["baselines"]["program oracle"]["overall"]["miou"] == pytest.approx(1.0)
    scan = next((raw / "scans").glob("room9*"))
    assert run(capsys, "refer", scan, "the door", "--model", checkpoint)[0] == 0
