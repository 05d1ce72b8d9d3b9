"""The `saymask` command: one function per verb; its parameters become flags (tyro)."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import field, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import FlagCreatePairsOff, Positional

from saymask.errors import InputError

# Everything else is imported inside the command that needs it: `saymask --help` answers at once.

Json = Annotated[bool, tyro.conf.arg(name="json"), FlagCreatePairsOff]
Switch = Annotated[bool, FlagCreatePairsOff]


def _refer(
    scan: Positional[Path],
    sentence: Positional[str],
    *,
    model: str | None = None,
    out: Path | None = None,
    picture: Path | None = None,
    json_: Json = False,
    unit: Literal["m", "cm", "mm", "in", "ft"] | None = None,
    up: Literal["x", "y", "z", "-x", "-y", "-z"] | None = None,
    device: str = "auto",
) -> int:
    """Mark the points that a sentence means.

    Args:
        scan: A scan: PLY, OBJ, GLB, STL, PCD, LAS/LAZ, E57, XYZ/PTS/CSV, NPZ, or a ScanNet scan folder.
        sentence: What to mark, e.g. "the grey chair beside the window".
        model: Name or path of a checkpoint; without it the embedded one.
        out: Where to save the scan with mask columns: .ply, .npz, .las, .laz or .json.
        picture: Where to save a picture (PNG).
        json_: Print one JSON object on standard output; everything else goes to standard error.
        unit: Length unit of the file; detected without it.
        up: Axis of the file that points up; detected without it.
        device: auto, cpu, cuda, cuda:1, …
    """
    from saymask.atomic import check_writable

    for target in (out, picture):
        if target is not None:
            check_writable(target)
    if out is not None:
        from saymask.masks import check_format

        check_format(out)
    from saymask.scene import check_sentence

    check_sentence(sentence)
    seconds: dict[str, float] = {}
    with _timed(seconds, "load"):
        from saymask.scan import load_scan

        loaded = load_scan(scan, unit=unit, up=up)
    with _timed(seconds, "model"):
        from saymask.hub import load_model

        segmenter = load_model(model, device=device)
    scene = segmenter.encode(loaded)
    masks = scene.refer(sentence)
    seconds.update(scene.seconds)
    if out is not None:
        with _timed(seconds, "save"):
            masks.save(out)
    if picture is not None:
        with _timed(seconds, "picture"):
            from saymask.picture import render

            render(loaded, masks, picture, title=sentence)
    name = segmenter.card.get("name", segmenter.system)
    rows = []
    for i in range(len(masks)):
        low, high = masks.box(i)
        rows.append(
            {
                "score": round(float(masks.scores[i]), 4),
                "points": int(masks.original(i).sum()),
                "box_min": [round(float(v), 3) for v in low],
                "box_max": [round(float(v), 3) for v in high],
            }
        )
    seconds = {stage: round(value, 4) for stage, value in seconds.items()}
    if json_:
        report = {"scan": str(scan), "sentence": sentence, "model": name, "points": loaded.n_original}
        print(json.dumps({**report, "masks": rows, "seconds": seconds}))
        return 0
    for i, row in enumerate(rows):
        low, high = ("({:.2f}, {:.2f}, {:.2f})".format(*row[key]) for key in ("box_min", "box_max"))
        print(f"mask {i}  score {row['score']:.2f}  {row['points']:,} points  box {low} to {high} m")
    if not rows:
        print(masks.message)
    print("seconds  " + "  ".join(f"{stage} {value:.2f}" for stage, value in seconds.items()), file=sys.stderr)
    return 0


def _rooms(
    out: Positional[Path],
    *,
    split: tuple[str, ...] = ("train=400", "val=60"),
    seed: int = 0,
    sensor: Literal["ideal", "rgbd"] = "ideal",
    furniture: Literal["parametric", "sweethome3d"] = "parametric",
    workers: int = 2,
) -> int:
    """Generate furnished rooms with sentences in the raw formats of ScanNet, ScanRefer and Multi3DRefer.

    Args:
        out: Folder to write; an interrupted run goes on where it stopped.
        split: Rooms per split, e.g. train=400 val=60.
        seed: A room is a function of version, seed, split and index alone.
        sensor: How surfaces become points.
        furniture: Where furniture comes from.
        workers: Processes.
    """
    from saymask.rooms.generate import generate

    splits: dict[str, int] = {}
    for item in split:
        name, _, number = item.partition("=")
        if name not in {"train", "val"} or not number.isdigit() or int(number) < 1:
            raise InputError(f"--split expects train=N or val=N with N >= 1, got {item!r}")
        splits[name] = int(number)
    generate(out, splits, seed=seed, sensor=sensor, furniture=furniture, workers=workers)
    return 0


def _prepare(
    raw: Positional[Path],
    *,
    out: Path,
    workers: int = 2,
    superpoints: Literal["mesh", "segs"] = "mesh",
    image_features: str | None = None,
    frames: Path | None = None,
    every: int = 10,
    stretched: Switch = False,
    image_weights: Path | None = None,
    final_norm: bool = True,
    device: str = "auto",
    quiet: Switch = False,
) -> int:
    """Read a folder in ScanNet's layout once and write what training and evaluation need.

    Args:
        raw: Folder with scans/, the label table, ScanRefer and Multi3DRefer files where present.
        out: Folder to write; finished scenes are kept, so an interrupted run goes on where it stopped.
        workers: Processes.
        superpoints: Recompute superpoints from the mesh, or take ScanNet's segs.json.
        image_features: Also make 2D features of the scans' frames with this image model: clip-vit-l14-336.
        frames: Where the frames are, <id>.sens or <id>/color, depth, pose; without it the scan folders or RAW/frames.
        every: Frames whose number this divides are used.
        stretched: Project images as the official code does: centre crop stretched over the frame, unseen points as 0.
        image_weights: Local folder with the image model's config.json and model.safetensors.
        final_norm: Take image features after the model's last norm (newer open_clip) or before it (older).
        device: Where the image model runs: auto, cpu, cuda, …
        quiet: No progress bar.
    """
    from saymask.data.prepare import prepare

    report = prepare(
        raw,
        out,
        workers=workers,
        superpoints=superpoints,
        image_features=image_features,
        frames=frames,
        every=every,
        stretched=stretched,
        image_weights=image_weights,
        final_norm=final_norm,
        device=device,
        quiet=quiet,
    )
    return 0 if report.ok else 2


def _evaluate(
    model: Positional[str],
    *,
    data: Path,
    task: Literal["refer"] = "refer",
    protocol: str = "less",
    split: str = "val",
    source: Literal["scanrefer", "multi3drefer"] | None = None,
    export: Path | None = None,
    allow_missing: Switch = False,
    json_: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    processes: int = 1,
    limit: int | None = None,
    baselines: bool = True,
    device: str = "auto",
) -> int:
    """Measure a checkpoint, or predictions in a file, on prepared data with a named protocol.

    Args:
        model: Name or path of a checkpoint ("default" is the embedded one), or predictions: a .json, a .json.gz or a
            folder that --export wrote, or that follows the same layout.
        data: Folder written by `saymask prepare`.
        task: What is measured.
        protocol: The rules. One object per sentence: less (IoU > t, fallback below 100 points), 3dres (IoU > t),
            scanrefer (IoU >= t), scanrefer-box (the same with boxes). None, one or many: 3dgres (IoU > t of the union,
            no target right or wrong), multi3drefer-f1 (F1 of the objects' boxes).
        split: train or val.
        source: Whose sentences; without it those that the protocol is defined on.
        export: Where to write the predicted masks: one file (.json, .json.gz), or a folder with a file per sentence.
        allow_missing: Score a file that lacks predictions for some sentences; they are left out and counted.
        json_: Where to write the numbers.
        processes: Scenes are shared out among this many processes; the result is the same.
        limit: Use only this many annotations, spread evenly.
        baselines: Also measure the baselines that need no model.
        device: auto, cpu, cuda, …
    """
    from saymask.atomic import check_writable

    if json_ is not None:
        check_writable(json_)
    from saymask.evaluate import evaluate, print_table

    result = evaluate(
        None if model == "default" else model,
        data,
        task=task,
        protocol=protocol,
        split=split,
        source=source,
        processes=processes,
        limit=limit,
        baselines=baselines,
        device=device,
        json_path=json_,
        export=export,
        allow_missing=allow_missing,
    )
    print_table(result)
    return 0


def _convert(
    system: Positional[Literal["less", "bqnet"]],
    path: Positional[Path],
    *,
    out: Path,
    preset: Literal["bqnet.res", "bqnet.gres"] | None = None,
    projections: str | None = None,
    text_encoder: str | None = None,
) -> int:
    """Turn an official checkpoint (.pth, .ckpt) into a saymask checkpoint, without running code from it.

    Args:
        system: Which system wrote it; bqnet takes SPFormer's sp_unet_backbone.pth too, a start for training.
        path: The official file.
        out: The .safetensors file to write.
        preset: bqnet only: what it was trained for; without it the file's name must say so (best_gres.pth).
        projections: LESS only: "rebuild" (from seed 42) or a file with the word projections its trainer did not save.
        text_encoder: Local folder with roberta-base, where the hub cannot be reached.
    """
    from saymask.convert import convert

    print(convert(system, path, out, preset=preset, projections=projections, text_encoder=text_encoder))
    return 0


def _models() -> int:
    """List the checkpoints and presets."""
    from rich.console import Console
    from rich.table import Table

    from saymask.hub import PRESETS, models

    table = Table("checkpoint", "system", "answers", "trained on", "metric", "size")
    for card in models():
        metric = ", ".join(f"{key} {value}" for key, value in card.get("headline", {}).items())
        size = f"{card['bytes'] / 1e6:.1f} MB"
        table.add_row(card["name"], card["system"], ", ".join(card["verbs"]), card["data"], metric, size)
    console = Console()
    console.print(table)
    console.print("presets for `saymask train`: " + ", ".join(PRESETS))
    return 0


def _doctor() -> int:
    """Say what this machine has and what saymask will use."""
    from saymask.doctor import report

    for line in report():
        print(line)
    return 0


def _train(arguments: list[str]) -> int:
    """Train a preset; every field of its configuration is a flag."""
    from saymask.hub import PRESETS, preset

    if not arguments or arguments[0].startswith("-"):
        print("usage: saymask train PRESET --data DATA --out RUN [--help for every flag of the preset]")
        print("presets: " + ", ".join(PRESETS))
        return 0 if {"-h", "--help"} & set(arguments) else 2
    chosen = preset(arguments[0])
    # The flags and their defaults depend on the preset, so the command's type is made when its name is known.
    command = make_dataclass(
        "Train",
        [
            ("data", Annotated[Path, tyro.conf.arg(help="Folder written by `saymask prepare`.")]),
            ("out", Annotated[Path, tyro.conf.arg(help="Folder of the run; a run that was interrupted goes on.")]),
            ("devices", Annotated[int, tyro.conf.arg(help="Processes (CPU) or GPUs.")], field(default=1)),
            ("accelerator", Literal["auto", "cpu", "gpu"], field(default="auto")),
            ("restart", Annotated[Switch, tyro.conf.arg(help="Begin anew.")], field(default=False)),
            (
                "max_minutes",
                Annotated[float, tyro.conf.arg(help="Stop after this long; 0 = never.")],
                field(default=0.0),
            ),
            ("model", type(chosen.model), field(default=chosen.model)),
            ("train", type(chosen.train), field(default=chosen.train)),
        ],
    )
    command.__doc__ = f"Train {chosen.name} on prepared data."
    options: Any = tyro.cli(command, args=arguments[1:], prog=f"saymask train {chosen.name}")
    from dataclasses import replace

    from saymask.train import train

    train(
        replace(chosen, model=options.model, train=options.train),
        options.data,
        options.out,
        devices=options.devices,
        accelerator=options.accelerator,
        resume=not options.restart,
        max_minutes=options.max_minutes,
    )
    return 0


_COMMANDS: dict[str, Callable[..., int]] = {
    "refer": _refer,
    "rooms": _rooms,
    "prepare": _prepare,
    "train": _train,
    "evaluate": _evaluate,
    "convert": _convert,
    "models": _models,
    "doctor": _doctor,
}


@contextlib.contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start


def _help() -> str:
    lines = ["usage: saymask COMMAND ...   (saymask COMMAND --help says more)", ""]
    for name, function in _COMMANDS.items():
        lines.append(f"  {name:<10} {(function.__doc__ or '').strip().splitlines()[0]}")
    return "\n".join(lines)


def run(arguments: list[str]) -> int:
    """Run one command line; return its exit code. Raises InputError for what the user can mend."""
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(_help())
        return 0
    if arguments[0] in {"-V", "--version"}:
        from saymask import __version__

        print(f"saymask {__version__}")
        return 0
    name, rest = arguments[0], arguments[1:]
    if name not in _COMMANDS:
        raise InputError(f"expected a command ({', '.join(_COMMANDS)}), got {name!r}")
    if name == "train":
        return _train(rest)
    return tyro.cli(_COMMANDS[name], args=rest, prog=f"saymask {name}")


def main(arguments: list[str] | None = None) -> None:
    """Entry point: errors a user can mend are one line on standard error and exit code 2."""
    # Read when torch is loaded: threads that spin while they wait take the cores from each other's pools.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        sys.exit(run(sys.argv[1:] if arguments is None else arguments))
    except InputError as error:
        message = " ".join(str(error).split())
    except OSError as error:  # a full disk, a missing permission: not a bug of saymask
        message = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    except KeyboardInterrupt:
        sys.exit(130)
    print(f"saymask: error: {message}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
