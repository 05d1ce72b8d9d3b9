"""Running of cases: each in a process of its own, its result kept, so that an interrupted run goes on."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.speed.busy import observed
from benchmarks.speed.cases import CASES
from benchmarks.speed.clock import ROOT
from benchmarks.speed.effort import Effort
from saymask.util.files import read_json, write_text
from saymask.util.provenance import machine

LIMITS = "limits"
"""Measured like a case, before all others."""


def fingerprint(quick: bool) -> str:
    """Return a hash of the code, the machine and the effort: results of another one are not continued."""
    digest = hashlib.sha256(json.dumps([machine(), quick], sort_keys=True).encode())
    for folder in ("saymask", "benchmarks/speed"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def module_of(name: str) -> Any:
    """Return the module of a case, or of the limits."""
    return import_module("benchmarks.speed.limits" if name == LIMITS else f"benchmarks.speed.cases.{name}")


def measure_here(name: str, effort: Effort) -> list[dict[str, Any]]:
    """Return the figures of a case, measured in this process."""
    module = module_of(name)
    found = module.figures() if name == LIMITS else module.measure(effort)
    return [figure.as_json() for figure in found]


def measure_apart(name: str, effort: Effort) -> list[dict[str, Any]]:
    """Return the figures of a case, measured in a process of its own; RuntimeError when that fails."""
    effort.folder.mkdir(parents=True, exist_ok=True)
    out = effort.folder / f".{name}.json"
    command = [sys.executable, "-m", "benchmarks", "--folder", str(effort.folder), "--here", name, str(out)]
    command += ["--quick"] if effort.quick else []
    # Idle OpenMP threads must sleep, not spin: on a busy machine spinning costs a multiple of the work itself.
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, "PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr.strip()[-3000:] or done.returncode}")
        return json.loads(out.read_text(encoding="utf-8"))
    finally:
        out.unlink(missing_ok=True)


def run(
    names: Sequence[str],
    effort: Effort,
    *,
    again: bool = False,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
    measure: Callable[[str, Effort], list[dict[str, Any]]] = measure_apart,
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return {case: result} of the limits and the named cases, and {case: why it failed}.

    A result is kept in the effort's folder and not measured again, unless `again` is said or code or machine have
    changed. A case that fails does not stop the others.
    """
    mark = fingerprint(effort.quick)
    results, failed = ({} if again else kept(effort, mark, (LIMITS, *names))), dict[str, str]()
    for name in (LIMITS, *names):
        path = effort.folder / f"{name}.json"
        if name in results:
            say(f"{name}: measured before, {results[name]['date']}")
            continue
        say(f"{name} …")
        try:
            with observed() as facts:
                figures = measure(name, effort)
        except RuntimeError as error:
            failed[name] = str(error)
            say(f"{name} failed: {error}")
            continue
        results[name] = {"fingerprint": mark, **facts, "figures": figures}
        write_text(path, json.dumps(results[name], indent=1) + "\n")
        say(f"{name}: {facts['seconds']:.0f} s; others used {facts['others']:.2f} cores")
    return results, failed


def kept(effort: Effort, mark: str, names: Sequence[str] = (LIMITS, *CASES)) -> dict[str, Any]:
    """Return {case: result} of what has been measured before with this fingerprint."""
    files = {name: effort.folder / f"{name}.json" for name in names}
    known = {name: read_json(path) for name, path in files.items() if path.exists()}
    return {name: result for name, result in known.items() if result.get("fingerprint") == mark}


def ledger(results: dict[str, Any], quick: bool) -> dict[str, Any]:
    """Return what docs/speed.json holds: the machine, and every result without what only resuming needs."""
    plain = {name: {k: v for k, v in result.items() if k != "fingerprint"} for name, result in results.items()}
    ordered = {name: plain[name] for name in (LIMITS, *CASES) if name in plain}
    return {"machine": machine(), "quick": quick, "results": ordered}


def write_ledger(path: Path, found: dict[str, Any]) -> None:
    """Write a ledger as JSON."""
    write_text(path, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
