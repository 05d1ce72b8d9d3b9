"""Results of evaluations, and of comparisons of them, as tables on standard output."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from saymask.evaluation.compare import METRICS, Comparison, lines_of
from saymask.evaluation.request import ALL
from saymask.evaluation.tasks.table import TASKS
from saymask.metrics import get_protocol
from saymask.util.console import plain_table, table_console

_CLASSES = {"iou": "IoU", "ap": "AP", "pq": "PQ"}
"""Keys of a result that hold a number per class → title of that number."""
_OF_CLASSES = {**_CLASSES, "ap50": "AP50", "ap25": "AP25", "sq": "SQ", "rq": "RQ"} | {
    name: name for name in ("precision", "recall")
}
"""All such keys, as columns of a table by class."""


def print_table(result: Mapping[str, Any], *, per_class: bool = False) -> None:
    """Print a result of `evaluate` as a table; a group without annotations, classes or clicks has `-`.

    per_class: also print a row per class.
    """
    console = table_console()
    task = result["task"]
    if task != ALL and result["left_out"] and not result["metrics"]["overall"]["n"]:
        console.print(
            f"{task} on {result['data']} {result['split']}: there is nothing to compare with (no labels), so there are "
            "no numbers; the answers are written",
            soft_wrap=True,
        )
        return
    table, lines = (_all if task == ALL else _sentences if task == "refer" else _scans)(result)
    # All but the table may hold paths and messages, which must not be broken where somebody copies them.
    title, caption, table.title, table.caption = table.title, table.caption, None, None
    console.print(title, style="italic", soft_wrap=True)
    console.print(table)
    for line in (caption, *lines):
        console.print(line, soft_wrap=True)
    if per_class:
        for table in _class_tables(result):
            console.print(table)


def _class_tables(result: Mapping[str, Any]) -> Iterator[Any]:
    """Yield a table with a row per class for each task and protocol of a result that has numbers of classes."""
    task, protocol = result["task"], result.get("protocol", "")
    parts = {(task, protocol): result.get("metrics", {})}
    if task == ALL:
        parts = {(t, p): one["metrics"] for t, found in result["results"].items() for p, one in found.items()}
    for (name, rule), metrics in parts.items():
        columns = {key: title for key, title in _OF_CLASSES.items() if isinstance(metrics.get(key), Mapping)}
        rows: dict[str, Mapping[str, float]] = {}
        for key in columns:
            for label, value in metrics[key].items():
                rows[label] = {**rows.get(label, {}), "n": 1, key: value}
        if name == "refer" and task != ALL:
            rows, columns = result["classes"], {"n": "n", **TASKS["refer"].columns}
            columns = {key: title for key, title in columns.items() if any(key in row for row in rows.values())}
        if not rows:
            continue
        table = plain_table("class", title=f"{name} · protocol {rule} · numbers in %")
        for title in columns.values():
            table.add_column(title, justify="right")
        for label, row in rows.items():
            table.add_row(label, *(f"{row['n']:,}" if key == "n" else shown(key, row) for key in columns))
        yield table


def shown(name: str, group: Mapping[str, Any]) -> str:
    """Return a number of a group as text: a share in %, a ratio as it is, `-` for what is not there."""
    if not group["n"] or name not in group:
        return "-"
    return f"{group[name]:.1f}" if name == "ratio" else f"{100 * group[name]:.2f}"


def _sentences(result: Mapping[str, Any]) -> tuple[Any, list[str]]:
    caption = f"{result['annotations']:,} annotations, {result['scenes']:,} scenes; numbers in %"
    if result.get("missing"):
        caption += f"; {result['missing']:,} annotations without a prediction are left out"
    if get_protocol(result["protocol"]).voted:
        caption += "; n: those about things of ScanNet20"
    table = _table(result, caption)
    columns = TASKS["refer"].columns
    keys = [key for key in columns if key in result["metrics"]["overall"]]
    if get_protocol(result["protocol"]).count == "any" and "oiou" in keys:
        keys.remove("oiou")  # a sentence without a target, answered rightly, has no points to add to it
    _fill(table, result, {key: columns[key] for key in keys})
    figure = next((key for key in ("miou", "f1_50") if key in keys), "")
    classes = [(name, group[figure]) for name, group in result["classes"].items() if group["n"]] if figure else []
    return table, list(_best_and_worst(classes, columns.get(figure, "")))


def _scans(result: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """Return the table, and lines to print below it: the classes with the best and worst numbers."""
    task, metrics = TASKS[result["task"]], result["metrics"]
    caption = f"{result['scans']:,} scans; numbers in %, {task.counts}"
    for key, what in (
        ("left_out", "scans without labels are left out"),
        ("missing", "scans without a prediction are left out"),
        ("not_finite", f"answers without a finite number: {task.broken}"),
    ):
        if result[key]:
            caption += f"; {result[key]:,} {what}"
    table = _table(result, caption)
    _fill(table, result, {key: title for key, title in task.columns.items() if key in metrics["overall"]})
    return table, list(_extremes(metrics))


def _table(result: Mapping[str, Any], caption: str) -> Any:
    from rich.table import Column

    title = f"{result['task']} on {result['data']} {result['split']} · protocol {result['protocol']}"
    return plain_table(Column("", overflow="fold"), title=title, caption=caption)


def _fill(table: Any, result: Mapping[str, Any], columns: Mapping[str, str]) -> None:
    """Add a column per number, and a row for the model and each baseline, with its groups below it."""
    for title in ("n", *columns.values()):
        table.add_column(title, justify="right", overflow="fold")
    for name, metrics in {result["model"]: result["metrics"], **result["baselines"]}.items():
        for subset, group in metrics.items():
            if isinstance(group, Mapping) and "n" in group:
                first = name if subset == "overall" else f"  {subset}"
                table.add_row(first, f"{group['n']:,}", *(shown(key, group) for key in columns))
        table.add_section()


def _extremes(metrics: Mapping[str, Any]) -> Iterator[str]:
    name = next((key for key in _CLASSES if isinstance(metrics.get(key), Mapping)), "")
    yield from _best_and_worst(list(metrics.get(name, {}).items()), _CLASSES.get(name, ""))


def _best_and_worst(numbers: Sequence[tuple[str, float]], title: str) -> Iterator[str]:
    """Yield lines with the best and the worst classes, or with all where there are few."""
    classes = sorted(numbers, key=lambda pair: (-pair[1], pair[0]))
    if len(classes) <= 6:
        parts = [("classes", classes)] if classes else []
    else:
        parts = [("best classes", classes[:3]), ("worst classes", classes[-3:])]
    for what, rows in parts:
        yield f"{what} ({title}): " + ", ".join(f"{c} {100 * v:.1f}" for c, v in rows)


def _all(result: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """Return a row per task and protocol: the headline figure, then the others."""
    caption = f"{result['scans']:,} scans; numbers in %, ratio: of mIoU to chance"
    if result["left_out"]:
        caption += f"; {result['left_out']:,} scans are not prepared"
    table = plain_table(title=f"{result['model']} on {result['data']} {result['split']}: every task", caption=caption)
    for title in ("task", "protocol"):
        table.add_column(title, no_wrap=True)
    for title in ("n", "figure", ""):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("others")
    for name, protocols in result["results"].items():
        task = TASKS[name]
        for protocol, one in protocols.items():
            group = one["metrics"]["overall"]
            figure = task.figure(one["metrics"])
            others = (f"{t} {shown(k, group)}" for k, t in task.columns.items() if k in group and k != figure)
            table.add_row(
                name, protocol, f"{group['n']:,}", task.columns[figure], shown(figure, group), ", ".join(others)
            )
        table.add_section()
    return table, [f"not measured: {key} ({why})" for key, why in result["refused"].items()]


def print_comparison(found: Comparison, a: str, b: str) -> None:
    """Print the differences of two results, and where the second gained and lost most."""
    console = table_console()
    table = plain_table(
        "subset", "", caption="numbers in %; * = the 95 % interval, over scans (five at least), leaves out 0"
    )
    for title in ("n", "A", "B", "B - A", "95 % interval"):
        table.add_column(title, justify="right")
    for d in found.differences:
        values = (100 * v for v in (d.a, d.b, d.b - d.a))
        first, second, gain = (f"{v:.2f}" for v in values)
        interval = "-" if d.interval is None else " … ".join(f"{100 * end:+.2f}" for end in d.interval)
        table.add_row(d.group, METRICS[d.metric], f"{d.n:,}", first, second, gain + " *" * d.sure, interval)
    for line in (f"A: {a}", f"B: {b}"):
        console.print(line, soft_wrap=True)
    console.print(table)
    lines = [f"{found.unshared:,} rows that only one of them has do not count"] if found.unshared else []
    for what, pairs in (("most gained", found.wins), ("most lost", found.losses)):
        lines += [f"{what} (IoU of A -> B):", *lines_of(pairs)] if pairs else []
    for line in lines:
        console.print(line, soft_wrap=True)
