"""`python -m tests.fuzz --count 20000`: mutated files to every reader; exit code 1 where one did more than refuse."""

import argparse
import sys
from pathlib import Path

from tests.fuzz.run import fuzz, make_input, write_files
from tests.fuzz.seeds import SEEDS


def main() -> int:
    """Run, print the finds as they come and the table at the end."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="inputs, shared out evenly among the readers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", action="append", choices=sorted(SEEDS), help="one reader; may be repeated")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder to which inputs that fail are written")
    parser.add_argument("--only", type=int, help="write input ONLY of the one reader to --keep, and read nothing")
    options = parser.parse_args()
    readers = options.reader or list(SEEDS)
    if options.only is not None:
        files = make_input(options.seed, readers[0], options.only)
        print(write_files(options.keep or Path("input"), files))
        return 0
    result = fuzz(readers, options.count, seed=options.seed, processes=options.processes, say=True, keep=options.keep)
    print(result.table())
    return 1 if result.finds else 0


if __name__ == "__main__":
    sys.exit(main())
