"""Write the tables of results.md and experiments.md and README's numbers from docs/results; `make docs` does it.

A part that is written stands between `<!-- results: NAME -->` and `<!-- end of results -->`. Those of results.md and
README are put together below from what `python -m benchmarks.results` measured; those of experiments.md are files of
their own in docs/results/experiments, with columns, rows and what is known of where they come from.
"""

import json
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
PAGES = (HERE / "results.md", HERE / "experiments.md", HERE.parent / "README.md")
BLOCK = re.compile(r"(<!-- results: ([\w-]+) -->\n).*?(<!-- end of results -->)", re.DOTALL)
DEFAULT = "uniseg3d.rooms"
MODELS = (DEFAULT, "bqnet.rooms", "less.rooms", "lground.rooms")
DATA = {"rooms1": "Rooms 1", "rooms2": "Rooms 2"}
VIEWS = ("surface", "handheld", "rgbd")
ACCURACY = {"Acc@0.25": "acc25", "Acc@0.5": "acc50", "mIoU": "miou"}
GROUPS = ("zt_w_d", "zt_wo_d", "st_w_d", "st_wo_d", "mt")
WORLDS = (
    "semantic", "points", "AP25", "AP50", "AP25 any", "AP50 any", "click", "refer", "refer any", "none", "find",
    "absent", "nonsense", "AUROC",
)  # fmt: skip

Cell = str | float | int | None


@cache
def read(model: str, evaluation: str) -> dict[str, Any]:
    """Return what was kept of an evaluation, an empty dictionary where it was not made."""
    path = RESULTS / model / f"{evaluation}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def metrics_of(model: str, evaluation: str, task: str = "", protocol: str = "") -> dict[str, Any]:
    """Return the metrics of an evaluation, or of one task and protocol of an evaluation of all tasks."""
    found = read(model, evaluation)
    if task:
        found = found.get("results", {}).get(task, {}).get(protocol, {})
    return found.get("metrics", {})


def files() -> list[Path]:
    """Return the files of the measured results, those of the default model first."""
    return [path for model in MODELS for path in sorted((RESULTS / model).glob("*.json"))]


def table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], digits: int = 1) -> str:
    """Return a Markdown table; floats get `digits` decimals, whole numbers commas, None is empty."""
    rows = list(rows)
    if not rows:
        return "*Not measured yet.*"

    def text(cell: Cell) -> str:
        if cell is None or cell != cell:
            return ""
        return cell if isinstance(cell, str) else f"{cell:,.{digits}f}" if isinstance(cell, float) else f"{cell:,}"

    lines = [columns, ["---"] * len(columns), *(list(map(text, row)) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def share(group: Mapping[str, Any] | None, key: str) -> float | None:
    """Return a number of a group in %; None where there is no such group or number, or the group is empty."""
    return 100 * group[key] if group and group.get("n") != 0 and group.get(key) is not None else None


def measured(protocol: str, *, baselines: bool = True) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield data, name and metrics of each model measured by a protocol of sentences, then of the baselines."""
    for data, title in DATA.items():
        found = {model: read(model, f"{data}-{protocol}") for model in MODELS}
        found = {model: one for model, one in found.items() if one}
        for model, one in found.items():
            yield title, model, one["metrics"]
        others = found[DEFAULT]["baselines"] if baselines and DEFAULT in found else {}
        for name, metrics in others.items():
            yield title, name, metrics


def data() -> str:
    """Return what was measured on."""
    found = [read(path.parent.name, path.stem)["data"] for path in files()]
    known = {one["name"]: one for one in found if one["name"] in DATA}
    rows = [
        [DATA[name], one["rooms"], one["sensor"], f"`{one['command']}`", one["sha256"][:16]]
        for name, one in sorted(known.items())
    ]
    return table(("", "rooms", "sensor", "made by", "sha256 begins"), rows)


def sentences(protocol: str, figures: Mapping[str, str], groups: Sequence[str], *, baselines: bool = True) -> str:
    """Return the figures of a protocol of sentences (title → key) over all of them, and the last one in each group."""
    (*_, (last, key)) = figures.items()
    rows = [
        [where, name, m["overall"].get("n"), *(share(m["overall"], figures[title]) for title in figures),
         *(share(m.get(group), key) for group in groups)]
        for where, name, m in measured(protocol, baselines=baselines)
    ]  # fmt: skip
    return table(("", "", "n", *figures, *(f"{last} {group}" for group in groups)), rows, 2)


def less() -> str:
    """Return the numbers of LESS by its own protocol."""
    metrics = metrics_of("less.rooms", "rooms1-less")
    rows = [
        [name, metrics[name]["n"], *(share(metrics[name], key) for key in ("miou", "oiou", "acc25", "acc50"))]
        for name in ("overall", "unique", "multiple", "compositional")
        if name in metrics
    ]
    return table(("", "n", "mIoU", "overall IoU", "Acc@0.25", "Acc@0.5"), rows, 2)


def tasks() -> str:
    """Return a row per task and figure of the default model, plain and by the protocol of the paper."""
    rows = []
    for task, protocol, figures in (
        ("panoptic", "scannet", {"PQ": "pq", "SQ": "sq", "RQ": "rq"}),
        ("semantic", "scannet", {"mIoU": "miou_present", "points right": "acc"}),
        ("instances", "scannet", {"AP": "ap", "AP50": "ap50", "AP25": "ap25"}),
        ("click", "scannet", {"mIoU": "miou", "AP": "ap"}),
        ("refer", "3dres", {"mIoU": "miou", "Acc@0.25": "acc25", "Acc@0.5": "acc50"}),
        ("find", "scannet200", {"mIoU": "miou", "AP": "ap"}),
    ):
        found = [metrics_of(DEFAULT, f"{d}-all", task, p).get("overall") for d in DATA for p in (protocol, "uniseg3d")]
        rows += [[task, figure, *(share(group, key) for group in found)] for figure, key in figures.items()]
    columns = [f"{title}, {protocol}" for title in DATA.values() for protocol in ("plain", "`uniseg3d`")]
    return table(("task", "figure", *columns), rows, 2)


def words() -> str:
    """Return what names of things find."""
    rows = []
    for d, title in DATA.items():
        default = metrics_of(DEFAULT, f"{d}-all", "find", "scannet200")
        for model, metrics in ((DEFAULT, default), ("lground.rooms", metrics_of("lground.rooms", f"{d}-find"))):
            held = metrics.get("held-out") if model == DEFAULT else None  # the other was told all names
            if metrics:
                numbers = (share(group, key) for group in (metrics["overall"], held) for key in ("miou", "chance"))
                rows.append([title, model, metrics["overall"].get("n"), *numbers])
    return table(("", "", "names", "mIoU", "chance", "mIoU held-out", "chance"), rows, 2)


def classes() -> str:
    """Return the numbers of the 200 classes by how frequent they are."""
    rows = []
    for d, title in DATA.items():
        semantic, instances = (metrics_of("lground.rooms", f"{d}-{task}") for task in ("semantic", "instances"))
        for group in ("overall", "head", "common", "tail"):
            if group in semantic:
                first = [share(semantic[group], key) for key in ("miou_present", "miou_all")]
                rows.append([title, group, *first, *(share(instances.get(group), k) for k in ("ap", "ap50", "ap25"))])
    return table(("", "", "mIoU", "absent = 0", "AP", "AP50", "AP25"), rows, 2)


def worlds() -> str:
    """Return the means over the worlds, a row per view."""
    found = {view: read(DEFAULT, f"worlds-{view}").get("worlds", {}).get("mean") for view in VIEWS}
    columns = (*WORLDS, "chance", "oracle", "find chance")
    return table(("view", *columns), [[f"`{v}`", *(m.get(c) for c in columns)] for v, m in found.items() if m])


def worlds_beside() -> str:
    """Return the means over the worlds of every model, of what more than one of them answers."""
    found = {(v, model): read(model, f"worlds-{v}").get("worlds", {}).get("mean") for v in VIEWS for model in MODELS}
    columns = ("refer", "refer any", "none", "find", "absent", "nonsense", "AUROC")
    rows = [[f"`{view}`", model, *(mean.get(c) for c in columns)] for (view, model), mean in found.items() if mean]
    return table(("view", "", *columns), rows)


def world_by_world(view: str) -> str:
    """Return the figures of each world in one view."""
    found = read(DEFAULT, f"worlds-{view}").get("worlds", {})
    rows = [[name, *(m.get(c) for c in WORLDS)] for name, m in found.items() if name != "mean"]
    return table((f"`{view}`", *WORLDS), rows)


def reliability() -> str:
    """Return how often the default model is right at each tenth of its score."""
    sources = {
        "worlds, `handheld` and `rgbd`": ("worlds-handheld", "worlds-rgbd"),
        "Rooms 2": ("rooms2-3dres",),
        "Rooms 1": ("rooms1-3dres",),
    }
    rows = []
    for title, evaluations in sources.items():
        tenths: dict[int, list[dict[str, float]]] = {}
        for one in (r for e in evaluations for r in read(DEFAULT, e).get("reliability", ())):
            tenths.setdefault(round(10 * one["from"]), []).append(one)
        whole = [_together(tenths[k]) if k in tenths else None for k in range(10)]
        there = [one for one in whole if one]
        if there:
            error = sum(n * abs(score - right) for n, score, right in there) / sum(n for n, _, _ in there)
            rows.append([f"{title}: sentences", *(one and int(one[0]) for one in whole), None])
            rows.append(["right, %", *(one and round(100 * one[2]) for one in whole), f"{error:.3f}"])
    return table(("score", *(f"{k / 10:.1f}–{(k + 1) / 10:.1f}" for k in range(10)), "calibration error"), rows)


def _together(rows: Sequence[Mapping[str, float]]) -> tuple[float, float, float]:
    """Return sentences, mean score and share with an IoU over 0.5 of one tenth in several files."""
    n = sum(r["n"] for r in rows)
    return n, sum(r["n"] * r["score"] for r in rows) / n, sum(r["n"] * r["iou50"] for r in rows) / n


def windows() -> str:
    """Return what windows make of rooms in a row."""
    found = read(DEFAULT, "row-windows").get("settings", {})
    return table(("", *WORLDS), [[name, *(m.get(c) for c in WORLDS)] for name, m in found.items()])


def sources() -> str:
    """Return where each number comes from."""
    rows = []
    for path in files():
        facts = read(path.parent.name, path.stem)["provenance"]
        link = f"[{path.parent.name} {path.stem}](results/{path.parent.name}/{path.name})"
        command, commit = f"`{facts['command'].partition(' --json')[0]}`", facts["commit"]
        rows.append(
            [link, command, facts["date"][:10], _short(commit), _short(facts["weights_sha256"]), _machine(facts)]
        )
    return table(("", "command", "date", "commit", "weights", "machine"), rows)


def _short(number: str) -> str:
    """Return the first eight digits of a hash; what is not recorded stays."""
    return number if " " in number else number[:8]


def _machine(facts: Mapping[str, Any]) -> str:
    if "cpu" not in facts:
        return "not recorded"
    return f"{facts['cpu']}, {facts['cores']} cores ({', '.join(facts['flags'])}), torch {facts['torch']}"


def numbers() -> str:
    """Return README's sentences about what the default model can do, in lines of 120 characters."""
    refer, semantic, panoptic, click, find = (
        metrics_of(DEFAULT, "rooms1-all", task, protocol)
        for task, protocol in (
            ("refer", "3dres"), ("semantic", "scannet"), ("panoptic", "scannet"), ("click", "scannet"),
            ("find", "scannet200"),
        )
    )  # fmt: skip
    worlds = read(DEFAULT, "worlds-handheld")["worlds"]["mean"]
    said = (
        "On rooms it has not seen (see [docs/results.md](docs/results.md)): "
        f"{share(refer['overall'], 'miou'):.1f} mIoU on sentences about one object, "
        f"{share(click['overall'], 'miou'):.1f} for one click on an object, "
        f"PQ {share(panoptic['overall'], 'pq'):.1f}, "
        f"{share(semantic['overall'], 'miou_present'):.1f} mIoU over ScanNet's 20 classes, "
        f"{share(find['overall'], 'miou'):.1f} for names of things in the room and "
        f"{share(find['held-out'], 'miou'):.1f} for names that it was never told. In furnished worlds that "
        f"others made, seen by a hand-held camera: {worlds['semantic']:.1f} mIoU over the classes "
        f"({worlds['points']:.0f} % of the points right), {worlds['click']:.1f} for clicks, {worlds['refer']:.1f} for "
        f"sentences (a random object: {worlds['chance']:.1f}), {worlds['find']:.1f} for names; words without a meaning "
        f"are answered in {worlds['nonsense']:.0f} % of the cases. On real scans it is a demonstration and often wrong."
    )
    return textwrap.fill(said, 120, break_long_words=False, break_on_hyphens=False)


PARTS: dict[str, Callable[[], str]] = {
    "data": data,
    "refer": partial(sentences, "3dres", ACCURACY, ("unique", "multiple", "compositional")),
    "refer-any": partial(sentences, "3dgres", ACCURACY, GROUPS),
    "separate": partial(sentences, "multi3drefer-f1", {"F1@0.25": "f1_25", "F1@0.5": "f1_50"}, GROUPS, baselines=False),
    "less": less,
    "tasks": tasks,
    "classes": classes,
    "words": words,
    "worlds": worlds,
    "worlds-beside": worlds_beside,
    **{f"worlds-{view}": partial(world_by_world, view) for view in VIEWS},
    "reliability": reliability,
    "windows": windows,
    "sources": sources,
    "numbers": numbers,
}


def experiment(name: str) -> str:
    """Return a table that is a file of its own; its floats have as many decimals as the longest of them."""
    content = read("experiments", name)
    decimals = [len(repr(c).partition(".")[2]) for row in content["rows"] for c in row if isinstance(c, float)]
    return table(content["columns"], content["rows"], max(decimals, default=0))


def with_results(text: str) -> str:
    """Return a page's text with its results as they are now."""

    def one(found: re.Match[str]) -> str:
        name = found[2]
        return found[1] + (PARTS[name]() if name in PARTS else experiment(name)) + "\n" + found[3]

    return BLOCK.sub(one, text)


def main() -> None:
    """Write the pages."""
    for page in PAGES:
        page.write_text(with_results(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
