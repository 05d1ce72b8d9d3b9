"""`python -m tests.faults --kills 25`: kills of every job; exit code 1 where one could be noticed afterwards."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.faults.jobs import JOBS
from tests.faults.kill import HEAD, disturb


def main() -> int:
    """Run, print a line per job as it comes and then what went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=25, help="of each job")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--job", action="append", choices=sorted(JOBS), help="one job; may be repeated")
    options = parser.parse_args()
    problems = []
    print(HEAD, flush=True)
    for name in options.job or list(JOBS):
        with tempfile.TemporaryDirectory(prefix="saymask-faults-") as folder:
            result = disturb(name, options.kills, Path(folder), seed=options.seed)
        print(result.line(), flush=True)
        problems += [f"{name}: {problem}" for problem in result.problems]
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
