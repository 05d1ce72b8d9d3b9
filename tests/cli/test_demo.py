"""`saymask demo`: a made room, an answer, a picture, and what to do next."""

from pathlib import Path

from saymask.cli import demo
from saymask.io.load import load_scan
from tests.cli.test_cli import refused, run


def test_demo(capsys, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(demo, "open_page", lambda path: opened.append(path) or 0)
    code, out, err = run(capsys, "demo", "--out", tmp_path / "out", "--view")
    assert code == 0
    room = Path(next(line for line in out.splitlines() if "saymask view" in line).split()[-1])
    assert opened == [room]
    assert load_scan(room, quiet=True).is_generated
    assert "mask 0  score" in out
    assert "synthetic" not in err  # the room is of the kind that the model knows
    assert (tmp_path / "out" / "demo.png").read_bytes()[1:4] == b"PNG"
    assert load_scan(tmp_path / "out" / "demo.ply", quiet=True).n_original > 100_000


def test_mistakes_are_said_first(capsys, tmp_path):
    assert "empty" in refused(capsys, "demo", "--sentence", " ", "--out", tmp_path / "out")
    (tmp_path / "file").write_text("")
    assert "is a file" in refused(capsys, "demo", "--out", tmp_path / "file")
    assert not (tmp_path / "out").exists()
