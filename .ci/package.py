"""Build the distributions into dist/ and check them: complete, small, fit for an index, the sdist's tests collected.

Run by `make package`, from the root of a clone.
"""

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "packages" / "models"
LARGEST = 15
"""Megabytes that saymask's wheel may have: one checkpoint, the others are in saymask-models."""
LEFT_OUT = {".gitignore"}
"""Tracked files that an sdist need not hold; the build adds this one by itself where it can."""


def main() -> int:
    """Build and check; return the exit status."""
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    for source in (ROOT, MODELS):
        command = [sys.executable, "-m", "build", "--outdir", dist, source]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (wheel,), (sdist,) = dist.glob("saymask-*.whl"), dist.glob("saymask-*.tar.gz")
    (models,) = dist.glob("saymask_models-*.whl")
    tracked = set(_output("git", "ls-files", "-z").strip("\0").split("\0"))
    with zipfile.ZipFile(wheel) as file:
        problems = [f"{wheel.name} lacks {n}" for n in _missing(file.namelist(), tracked, "saymask/")]
        problems += [f"{wheel.name} has {n}" for n in file.namelist() if not re.match(r"saymask[/-]", n)]
        page = file.read(next(n for n in file.namelist() if n.endswith(".dist-info/METADATA"))).decode()
        links = re.findall(r"\]\((?!https?:|#)[^)]*\)", page)
        problems += [f"{wheel.name}: a link of its page leads nowhere in an index: {link}" for link in links]
    with zipfile.ZipFile(models) as file:
        names = [f"packages/models/{name}" for name in file.namelist()]
        problems += [f"{models.name} lacks {n}" for n in _missing(names, tracked, "packages/models/saymask_models/")]
    if wheel.stat().st_size > LARGEST * 1e6:
        problems.append(f"{wheel.name} has {wheel.stat().st_size / 1e6:.1f} MB, expected {LARGEST} at most")
    built = sorted(dist.iterdir())
    if subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *built], check=False).returncode:
        problems.append("an index would refuse the pages, see above")
    with tempfile.TemporaryDirectory() as folder, tarfile.open(sdist) as file:
        names = [name.partition("/")[2] for name in file.getnames()]
        problems += [f"{sdist.name} lacks {n}" for n in _missing(names, tracked - LEFT_OUT, "")]
        file.extractall(folder, filter="data")
        unpacked = next(Path(folder).iterdir())
        collected = _collected(unpacked)
    tests = {n for n in tracked if re.fullmatch(r"tests/(.*/)?test_\w+\.py", n)}
    problems += [f"{sdist.name}: no test is collected from {n}" for n in sorted(tests - collected)]
    for path in built:
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
    print(f"{len(collected)} of {len(tests)} test files of the sdist are collected")
    print("\n".join(problems), file=sys.stderr, end="\n" if problems else "")
    return 1 if problems else 0


def _missing(names: list[str], tracked: set[str], prefix: str) -> list[str]:
    """Return the tracked files below `prefix` that are not among `names`, as long as they are there at all."""
    return sorted(n for n in tracked if n.startswith(prefix) and n not in names and (ROOT / n).is_file())


def _collected(folder: Path) -> set[str]:
    """Return the test files of an unpacked sdist from which pytest collects a test."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:randomly", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout[-3000:], done.stderr[-3000:], sep="\n", file=sys.stderr)
    return {line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line}


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
