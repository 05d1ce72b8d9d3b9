"""Report of a ledger: one table for the terminal, docs/speed.md, and the ratios of each release."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from benchmarks.speed.cases import CASES
from benchmarks.speed.figure import Figure
from benchmarks.speed.run import LIMITS, module_of

COLUMNS = ("", "ours", "CPU s", "aim", "met", "before", "limit", "ours / limit", "other", "ours / other")
DISTURBED = 0.2
"""Cores that others used from which a case counts as disturbed."""


def figures_of(result: dict[str, Any]) -> list[Figure]:
    """Return the figures of a result."""
    return [Figure(**entry) for entry in result["figures"]]


def number(value: float | None, unit: str = "") -> str:
    """Return a number with three digits and its unit."""
    if value is None:
        return ""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    text = f"{value:,.{digits}f}"
    return text + ("" if unit in ("", "exponent") else unit if unit in ("×", "/s", "%") else f" {unit}")


def cells(figure: Figure) -> list[str]:
    """Return a row of the table."""
    unit = figure.unit
    aim = "" if figure.aim is None else ("≥ " if figure.more_is_better else "≤ ") + number(figure.aim, unit)
    limit = number(figure.limit, unit) + (f" ({figure.limit_of})" if figure.limit_of else "")
    peer = number(figure.peer, unit) + (f" ({figure.peer_of})" if figure.peer_of else "")
    return [
        figure.what,
        number(figure.value, unit),
        number(figure.cpu),
        aim,
        {True: "yes", False: "no", None: ""}[figure.met],
        number(figure.before, unit),
        limit.strip(),
        number(figure.of_limit),
        peer.strip(),
        number(figure.of_peer),
    ]


def table(rows: Iterable[list[str]], columns: Iterable[str] = COLUMNS) -> str:
    """Return a Markdown table without the columns that are empty in every row."""
    rows, columns = list(rows), list(columns)
    used = [i for i in range(len(columns)) if i == 0 or any(row[i] for row in rows)]
    lines = [[columns[i] for i in used], ["---"] * len(used), *([row[i] for i in used] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def described(found: dict[str, Any]) -> list[str]:
    """Return lines about the machine, when it was measured, and what else ran."""
    facts, results = found["machine"], found["results"]
    dates = sorted(result["date"] for result in results.values())
    lines = [
        f"{facts['cpu']}, {facts['cores']} cores ({', '.join(facts['flags']) or 'no AVX2'}), "
        f"{facts['system']}, Python {facts['python']}, saymask {facts['saymask']}, torch {facts['torch']}, "
        f"numba {facts['numba']}, numpy {facts['numpy']}; {dates[0][:16]} to {dates[-1][:16]} UTC, "
        f"{sum(result['seconds'] for result in results.values()) / 60:.0f} minutes."
    ]
    disturbed = {name: result["others"] for name, result in results.items() if result["others"] > DISTURBED}
    if disturbed:
        said = ", ".join(f"{name} {others:.1f}" for name, others in disturbed.items())
        lines.append(
            f"**The machine was not quiet.** Other programs kept so many of its {facts['cores']} cores busy: {said}. "
            "Seconds on the clock are too long then; CPU seconds are disturbed less."
        )
    if left := [name for name in CASES if name not in results]:
        lines.append(f"**Not measured**: {', '.join(left)}.")
    if found["quick"]:
        lines.append("**A quick run**: small inputs, one round. It shows that everything works, not how fast it is.")
    return lines


def markdown(found: dict[str, Any], history: list[dict[str, Any]]) -> str:
    """Return docs/speed.md."""
    results = {name: figures_of(result) for name, result in found["results"].items()}
    cases = {name: figures for name, figures in results.items() if name != LIMITS}
    aims = [
        replace(figure, what=f"{name}: {figure.what}")
        for name, figures in cases.items()
        for figure in figures
        if figure.aim is not None
    ]
    parts = [
        "# Speed",
        "`make bench` measures all of this and writes this page, `docs/speed.json` and `benchmarks/history.json`; "
        "`python -m benchmarks --help` says how to measure a part.\n"
        "*ours* is the least of some rounds, on the clock; *CPU s* counts all threads. *limit* is what the machine\n"
        "allows, measured in the same run; *other* is another program on the same input, measured in turn with ours.\n"
        "Both ratios are ours over theirs, so that 1 is equal and less is better.",
        "\n".join(described(found)),
        "## Limits of the machine",
        table(([f.what, number(f.value, f.unit)] for f in results.get(LIMITS, [])), ("", "measured")),
        f"## Aims: {sum(bool(f.met) for f in aims)} of {len(aims)} met",
        table(map(cells, aims)) if aims else "",
        *missed(aims),
    ]
    for name, figures in cases.items():
        module = module_of(name)
        title, _, text = (module.__doc__ or name).partition("\n")
        parts += [f"## {title.rstrip('.')}", text.strip()]
        if hasattr(module, "shown"):  # figures that make a table of their own
            parts.append(module.shown(figures))
            continue
        parts += [table(map(cells, figures)), "\n".join(f"{f.what}: {f.note}  " for f in figures if f.note)]
    parts += ["## Releases", *ratios(history)]
    return "\n\n".join(part for part in parts if part) + "\n"


def missed(aims: list[Figure]) -> Iterator[str]:
    """Yield where the time of each missed aim goes."""
    rows = []
    for figure in aims:
        if figure.met is False:
            stages = sorted(figure.parts.items(), key=lambda part: -part[1])
            told = ", ".join(f"{name} {number(seconds)}" for name, seconds in stages) or figure.note or "not profiled"
            rows.append([figure.what, number(figure.value, figure.unit), told])
    if rows:
        yield "Where the time of the missed ones goes, in seconds:"
        yield table(rows, ("", "ours", "of which"))


def entry(found: dict[str, Any]) -> dict[str, Any]:
    """Return what the history keeps of a ledger: value and ratios of each figure, by version and CPU."""
    facts = found["machine"]
    kept: dict[str, Any] = {}
    for name, result in found["results"].items():
        for figure in figures_of(result):
            values = {"value": figure.value, "limit": figure.of_limit, "other": figure.of_peer, "met": figure.met}
            kept[f"{name}: {figure.what}"] = {
                k: v if isinstance(v, bool) else float(f"{v:.3g}") for k, v in values.items() if v is not None
            }
    last = max(result["date"] for result in found["results"].values())
    others = max(result["others"] for result in found["results"].values())
    return {"version": facts["saymask"], "cpu": facts["cpu"], "date": last[:10], "others": others, "figures": kept}


def with_entry(history: list[dict[str, Any]], new: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the history with an entry, which replaces that of the same version and CPU."""
    key = (new["version"], new["cpu"])
    return [*(old for old in history if (old["version"], old["cpu"]) != key), new]


def ratios(history: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the table of all figures that have a ratio, a column per release."""
    names = dict.fromkeys(n for one in history for n, f in one["figures"].items() if {"limit", "other"} & f.keys())
    if not names:
        yield "None has been measured yet."
        return
    yield "Ours over the limit / ours over the other program:"
    rows = []
    for name in names:
        row = [name]
        for one in history:
            figure = one["figures"].get(name, {})
            row.append(" / ".join(number(figure.get(k)) or "–" for k in ("limit", "other")) if figure else "")
        rows.append(row)
    yield table(rows, ["", *(f"{one['version']}, {one['date']}, {one['cpu']}" for one in history)])
