"""The speed of everything, in one table: `python -m benchmarks [--only CASE …] [--quick] [--again] [--write]`.

Every case runs in a process of its own, and its result is kept: an interrupted run goes on, and a case is measured
again only when code or machine have changed, or with `--again`. `make bench` adds `--write`, which writes
docs/speed.json, docs/speed.md and benchmarks/history.json with all that is kept.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.speed.cases import CASES
from benchmarks.speed.clock import ROOT
from benchmarks.speed.effort import Effort
from benchmarks.speed.report import COLUMNS, cells, described, entry, figures_of, markdown, with_entry
from benchmarks.speed.run import fingerprint, kept, ledger, measure_here, run, write_ledger
from saymask.util.console import plain_table, table_console
from saymask.util.files import read_json, write_text

HISTORY = ROOT / "benchmarks" / "history.json"
DOCS = ROOT / "docs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and write it where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="CASE", choices=CASES, default=list(CASES), help=", ".join(CASES))
    parser.add_argument("--quick", action="store_true", help="small inputs, one round: whether everything works")
    parser.add_argument("--again", action="store_true", help="measure what has been measured before as well")
    parser.add_argument("--folder", type=Path, default=ROOT / "out" / "bench", help="for inputs and kept results")
    parser.add_argument("--write", action="store_true", help="write docs/speed.* and the history")
    parser.add_argument("--here", nargs=2, help=argparse.SUPPRESS)  # case, file: measure in this process
    options = parser.parse_args(arguments)
    effort = Effort(options.folder.resolve(), options.quick)
    if options.here:
        name, file = options.here
        write_text(file, json.dumps(measure_here(name, effort)))
        return 0
    if options.write and options.quick:
        parser.error("--write: expected figures in full; leave --quick out")
    results, failed = run(options.only, effort, again=options.again)
    show(ledger(results, options.quick))
    if options.write:
        found = ledger(kept(effort, fingerprint(options.quick)), options.quick)
        write_ledger(DOCS / "speed.json", found)
        history = with_entry(read_json(HISTORY) if HISTORY.exists() else [], entry(found))
        write_text(HISTORY, json.dumps(history, indent=1, ensure_ascii=False) + "\n")
        write_text(DOCS / "speed.md", markdown(found, history))
    for name, why in failed.items():
        print(f"{name} failed: {why}", file=sys.stderr)
    return 1 if failed else 0


def show(found: dict) -> None:
    """Print a ledger as one table."""
    console = table_console(width=180)
    for line in described(found):
        console.print(line.replace("**", ""), markup=False)
    table = plain_table("case", *COLUMNS)
    for name, result in found["results"].items():
        for i, figure in enumerate(figures_of(result)):
            table.add_row(name if i == 0 else "", *cells(figure))
    console.print(table)


if __name__ == "__main__":
    raise SystemExit(main())
