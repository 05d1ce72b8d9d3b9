"""Every golden case that is copied into the project, each within its tolerance."""

import pytest

from tests.parity import GOLDEN, SYSTEMS, main, run

FILES = [(s, p) for s in SYSTEMS for p in sorted((GOLDEN / s).glob("*.*")) if p.suffix in {".npz", ".json"}]


@pytest.mark.parametrize(("system", "path"), FILES, ids=[f"{s}/{p.name}" for s, p in FILES])
def test_golden_case(system, path, tmp_path):
    (tmp_path / path.name).symlink_to(path)
    failed = [(check.name, error) for _, check, error, ok in run(system, tmp_path) if not ok]
    assert not failed


def test_unknown_file_fails(tmp_path, capsys):
    (tmp_path / "mystery_A.json").write_text("{}")
    assert main(["less", str(tmp_path)]) == 1
    assert "mystery_A.json" in capsys.readouterr().out


def test_empty_folder_fails(tmp_path):
    assert main(["less", str(tmp_path)]) == 1
