"""Ways of installing saymask, each in an empty environment: `python -m benchmarks.installs SCAN --dist DIST`.

DIST is the folder that `make package` fills. Each environment gets torch first, then saymask in one way, and then
answers a sentence in a process that has no network (Linux: `unshare --net`). A line per way: what both installations
took and how large they are, and what the first answer took (it compiles) and the second. With `[view]` the page and its
connection are asked for as well, with `[serve]` a sentence of the service.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parents[1]
SENTENCE = "the chairs at the round table"
OFFLINE = ("unshare", "--net", "--map-root-user")
WAYS = {
    "source": ".",
    "wheel": "saymask-*.whl",
    "sdist": "saymask-*.tar.gz",
    "[view]": ".[view]",
    "[serve]": ".[serve]",
}
"""Way → what pip is given: a folder with extras, or a file of DIST."""


def measured(way: str, python: str, scan: Path, dist: Path, torch: str) -> dict[str, object]:
    """Return what one way takes in an environment of its own, which is removed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run(python, "-m", "venv", folder / "env")
        pip = (folder / "env" / "bin" / "python", "-m", "pip", "install", "--quiet")
        torch_seconds = _run(*pip, torch)
        torch_mb = _megabytes(folder / "env")
        what = WAYS[way]
        target = str(HERE) + what.removeprefix(".") if what.startswith(".") else next(dist.glob(what))
        seconds = _run(*pip, target)
        command = folder / "env" / "bin" / "saymask"
        environment = {"HOME": name, "PATH": os.environ["PATH"]}
        out = folder / "hit.npz"
        answer = [*OFFLINE, command, "refer", scan.resolve(), SENTENCE, "--out", out]
        first, second = (_run(*answer, cwd=folder, env=environment) for _ in range(2))
        if way in ("[view]", "[serve]"):
            program = HERE / "benchmarks" / "installs_asked.py"
            asked = (pip[0], "-I", program, way.strip("[]"), command, scan.resolve(), SENTENCE)
            _run(*OFFLINE, *asked, cwd=folder, env=environment)
        return {
            "way": way,
            "python": subprocess.check_output([pip[0], "-V"], text=True).split()[1],
            "torch_seconds": round(torch_seconds),
            "torch_mb": torch_mb,
            "seconds": round(seconds),
            "mb": _megabytes(folder / "env") - torch_mb,
            "first_answer_seconds": round(first, 1),
            "answer_seconds": round(second, 1),
            "answered": out.is_file(),
        }


def _run(*command: object, **options: object) -> float:
    """Run a command and return its seconds; what it says comes out where it fails."""
    began = time.perf_counter()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **options)  # type: ignore
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - began


def _megabytes(folder: Path) -> int:
    return round(sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink()) / 1e6)


def main() -> None:
    """Try the ways and print a JSON object for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", type=Path)
    parser.add_argument("--dist", type=Path, default=HERE / "dist")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--python", nargs="+", default=[sys.executable], help="interpreters")
    parser.add_argument("--torch", default="torch==2.13.0", help="what pip is given first")
    given = parser.parse_args()
    for python in given.python:
        for way in given.ways:
            print(json.dumps(measured(way, python, given.scan, given.dist, given.torch)), flush=True)


if __name__ == "__main__":
    main()
