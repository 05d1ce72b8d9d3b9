"""The settings that a user keeps in a file."""

from pathlib import Path

import pytest

from saymask.cli.preferences import Preferences, preferences
from saymask.errors import InputError
from tests.cli.test_cli import refused, run
from tests.cli.test_prompts import RED, clicker, registered, scan, weights  # noqa: F401  (fixtures)


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setattr(Path, "home", lambda: folder)
    work = tmp_path / "work" / "deep"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    return folder


def test_nothing_is_said():
    assert preferences() == Preferences()


def test_the_nearest_file_counts(home, tmp_path):
    (home / ".config" / "saymask").mkdir(parents=True)
    (home / ".config" / "saymask" / "saymask.toml").write_text('model = "a"\n')
    assert preferences() == Preferences(model="a")
    (tmp_path / "work" / "pyproject.toml").write_text("[tool.other]\nx = 1\n")
    assert preferences() == Preferences(model="a")
    (tmp_path / "work" / "pyproject.toml").write_text('[tool.saymask]\nmodel = "b"\ntext-encoder = "t"\n')
    assert preferences() == Preferences(model="b", text_encoder="t")
    Path("saymask.toml").write_text('device = "cpu"\n')
    assert preferences() == Preferences(device="cpu")


@pytest.mark.parametrize(
    ("text", "says"),
    [("modle = 'x'", "did you mean 'model'"), ("model = 3", "expected text in quotes, got 3"), ("model", "TOML")],
)
def test_a_wrong_file_is_said(text, says):
    Path("saymask.toml").write_text(text)
    with pytest.raises(InputError) as error:
        preferences()
    assert "saymask.toml" in str(error.value)
    assert says in str(error.value)


def test_a_broken_pyproject_is_not_ours():
    Path("pyproject.toml").write_text("[tool")
    assert preferences() == Preferences()


def test_the_model_is_taken_for_what_it_answers(capsys, scan, clicker):  # noqa: F811
    Path("saymask.toml").write_text(f'model = "{clicker}"\n')
    _, _, err = run(capsys, "find", scan, "red", "--unit", "m", "--up", "z")
    assert "model  clicker.tiny" in err
    Path("saymask.toml").write_text('model = "painter.tiny"\n')
    _, _, err = run(capsys, "click", scan, RED, "--unit", "m", "--up", "z")
    assert "model  clicker.tiny" in err


def test_a_device_that_is_not_there_is_said(capsys, scan, weights):  # noqa: F811
    Path("saymask.toml").write_text('device = "gpu"\n')
    assert "gpu" in refused(capsys, "find", scan, "red")
