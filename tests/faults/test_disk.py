"""Disks that are full or read-only: an error that names the place, whole results alone, and the same afterwards."""

import os
import subprocess

import pytest

from saymask.errors import InputError
from tests.faults.jobs import JOBS, contents, equal
from tests.faults.kill import strays

QUICK = [name for name in JOBS if name != "rooms"]
DISK = 20 * 2**20
REFUSALS = (InputError, OSError, SystemExit)
"""SystemExit: exit code 1 of a folder of scans, each of which could not be saved."""


@pytest.fixture
def disk(tmp_path):
    """Return a small disk of its own and a function that changes its options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options):
        return subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True)

    try:
        done = mount("-t", "tmpfs", "-o", f"size={DISK}", "saymask-test")
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip(f"this user may not mount a disk: {done.stderr.strip()}")

    def change(options):
        assert mount("-o", f"remount,{options}").returncode == 0

    yield folder, change
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_a_full_disk(name, undisturbed, disk, capsys):
    source, whole = undisturbed(name)
    folder, _ = disk
    out = folder / "out"
    out.mkdir()
    JOBS[name].work(source, out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    for share in (0.3, 0.8):
        for path in sorted(out.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        free = int(share * size) // 4096 * 4096  # whole pages
        (folder / "filler").write_bytes(bytes(DISK - free))
        with pytest.raises(REFUSALS) as refused:
            JOBS[name].work(source, out)
        said = f"{refused.value} {capsys.readouterr().err}"
        assert "full" in said or "No space left" in said
        assert str(out) in said
        assert not strays(out)
        (folder / "filler").unlink()
        JOBS[name].work(source, out)
        found = contents(out)
        assert found.keys() == whole.keys()
        assert [path for path in found if not equal(found[path], whole[path])] == []


@pytest.mark.parametrize("name", ["prepare", "evaluate", "out"])
def test_a_read_only_disk(name, undisturbed, disk):
    source, whole = undisturbed(name)
    folder, change = disk
    (folder / "out").mkdir()
    JOBS[name].work(source, folder / "out")
    change("ro")
    with pytest.raises(InputError, match=r"cannot write .*: Read-only file system; choose another"):
        JOBS[name].work(source, folder / "out")
    assert contents(folder / "out").keys() == whole.keys()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights(undisturbed, tmp_path):
    source, _ = undisturbed("out")
    out = tmp_path / "out"
    out.mkdir(mode=0o555)
    with pytest.raises(InputError, match="Permission denied"):
        JOBS["out"].work(source, out)
