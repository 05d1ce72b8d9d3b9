"""Seconds that a fresh `saymask` takes, one process per figure: `python -m benchmarks.start SCAN [--against TREE]`.

Prints a line per command: the least user-CPU and wall seconds of several runs. With `--against`, another checkout is
run in turn with this one, so that whatever else the machine does meets both alike; the ratio is that of user-CPU.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parents[1]
SENTENCE = "the chair near the table"


def seconds(tree: Path, arguments: list[str]) -> tuple[float, float]:
    """Return user-CPU and wall seconds of one fresh process that runs the command of a checkout."""
    environment = os.environ | {"PYTHONPATH": str(tree)}
    before, start = os.times().children_user, time.perf_counter()
    command = [sys.executable, "-c", "from saymask.cli import main; main()", *arguments]
    subprocess.run(
        command, cwd=tree, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    return os.times().children_user - before, time.perf_counter() - start


def main() -> None:
    """Time the commands and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", type=Path)
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    trees = [HERE] if given.against is None else [HERE, given.against.resolve()]
    commands = {
        "--version": ["--version"],
        "an error": ["refer", "nowhere.ply", SENTENCE],
        "refer": ["refer", str(given.scan.resolve()), SENTENCE],
    }
    print("user-CPU / wall seconds, least of", given.runs)
    for name, arguments in commands.items():
        for tree in trees:
            seconds(tree, arguments)  # kernels are compiled, files are read
        taken = [[seconds(tree, arguments) for tree in trees] for _ in range(given.runs)]
        least = [tuple(map(min, zip(*(run[i] for run in taken)))) for i in range(len(trees))]
        line = "   ".join(f"{user:.2f} / {wall:.2f}" for user, wall in least)
        print(f"{name:<10} {line}" + (f"   ratio {least[0][0] / least[1][0]:.2f}" if len(trees) == 2 else ""))


if __name__ == "__main__":
    main()
