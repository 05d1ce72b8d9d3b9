"""The commands that make, measure and list models: train, evaluate, convert, models, doctor."""

import sys
from dataclasses import field, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import Positional

from saymask.cli.options import Switch


def train(arguments: list[str]) -> int:
    """Train a preset; every field of its configuration is a flag."""
    from saymask.hub.registry import PRESETS, preset

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
    from saymask.training.run import train

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


def evaluate(
    model: Positional[str],
    *,
    data: Path,
    task: Literal["refer", "semantic", "instance", "panoptic", "interactive", "find", "all"] = "refer",
    protocol: str | None = None,
    split: str = "val",
    source: Literal["scanrefer", "multi3drefer"] | None = None,
    click_distances: Switch = False,
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
        model: Name or path of a checkpoint ("default" is the embedded one for the task), or
            predictions: for sentences a .json, a .json.gz or a folder that --export wrote, for
            semantic and instance a folder of the benchmark's submission files (<scene>.txt).
            Predictions are scored without any model.
        data: Folder written by `saymask prepare`.
        task: What is measured: refer (sentences), semantic (the class of every point), instance
            (objects with classes), panoptic (both at once), interactive (one click on each object),
            find (names of what is there), or all that the model answers, each scan encoded once.
        protocol: The rules. refer, one object per sentence: less (IoU > t, fallback below 100 points;
            the default), 3dres (IoU > t), scanrefer (IoU >= t), scanrefer-box (with boxes); none, one
            or many: 3dgres (IoU > t of the union, no target right or wrong), multi3drefer-f1 (F1 of
            the objects' boxes). semantic (mIoU), instance (AP, without wall and floor) and find (mIoU
            and chance): scannet200 (200 classes), scannet (20); by default the first one with the
            model's classes. panoptic (PQ) and interactive (mIoU, AP): scannet. Every task also has
            uniseg3d, the rules of UniSeg3D's published numbers. all: by default the plain protocol (of
            refer: 3dres) and uniseg3d of each task side by side; plain; or any of these.
        split: train or val.
        source: refer and all: whose sentences; without it those that the protocol is defined on.
        click_distances: interactive only: click on each object at 0.1, 0.2, … 1.0 of its radius.
        export: Where to write the predictions. refer: one file (.json, .json.gz), or a folder with a
            file per sentence; semantic and instance: a folder for the benchmark's submission files.
        allow_missing: Score predictions that lack some sentences or scans; they are left out and counted.
        json_: Where to write the numbers.
        processes: Scenes are shared out among this many processes; the result is the same.
        limit: Use only this many annotations (refer) or scans (all other tasks), spread evenly.
        baselines: Also measure the baselines that need no model.
        device: auto, cpu, cuda, …
    """
    from saymask.util.files import check_writable

    if json_ is not None:
        check_writable(json_)
    from saymask.evaluation.run import evaluate
    from saymask.evaluation.tables import print_table

    result = evaluate(
        None if model == "default" else model,
        data,
        task=task,
        protocol=protocol,
        split=split,
        source=source,
        click_distances=click_distances,
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


def convert(
    system: Positional[Literal["less", "bqnet", "lground", "uniseg3d"]],
    path: Positional[Path],
    *,
    out: Path,
    preset: str | None = None,
    projections: str | None = None,
    anchors: Path | None = None,
    class_embeddings: Path | None = None,
    text_encoder: str | None = None,
) -> int:
    """Turn an official checkpoint (.pth, .ckpt) into a saymask checkpoint, without running code from it.

    Args:
        system: Which system wrote it; bqnet takes SPFormer's sp_unet_backbone.pth too, a start for training.
        path: The official file.
        out: The .safetensors file to write.
        preset: bqnet and lground: what it was trained for, such as bqnet.gres or lground.scannet200-focal. Without it
            the file must say so: bqnet by its name (best_gres.pth), lground by its tensors.
        projections: LESS only: "rebuild" (from seed 42) or a file with the word projections its trainer did not save.
        anchors: lground only: the class names' features that a pre-trained network was pulled to, a file of `saymask
            anchors` or the official pickle.
        class_embeddings: uniseg3d only: the official scannet_cls_embedding.pth; made with the text encoder without it.
        text_encoder: Local folder with the system's text encoder (LESS, bqnet: roberta-base; lground: clip-vit-b32,
            which makes the anchors; uniseg3d: clip-convnext-large-d-320), where the hub cannot be reached.
    """
    from saymask.convert import convert

    print(
        convert(
            system,
            path,
            out,
            preset=preset,
            projections=projections,
            text_encoder=text_encoder,
            anchors=anchors,
            class_embeddings=class_embeddings,
        )
    )
    return 0


def models() -> int:
    """List the checkpoints and presets."""
    from rich.console import Console
    from rich.table import Column, Table

    from saymask.hub.checkpoints import list_models
    from saymask.hub.registry import PRESETS

    table = Table(Column("checkpoint", no_wrap=True), "system", "answers", "trained on", "metric", "size")
    for card in list_models():
        metric = ", ".join(f"{key} {value}" for key, value in card.get("headline", {}).items())
        size = f"{card['bytes'] / 1e6:.1f} MB"
        verbs = ", ".join(verb + "*" * (verb in card["default_for"]) for verb in card["verbs"])
        table.add_row(card["name"], card["system"], verbs, card["data"], metric, size)
    console = Console(width=None if sys.stdout.isatty() else 110)  # as wide as the tables of `evaluate`
    console.print(table)
    console.print("* answered by this checkpoint when no model is named", soft_wrap=True)
    console.print("presets for `saymask train`: " + ", ".join(PRESETS), soft_wrap=True)
    return 0


def doctor() -> int:
    """Say what this machine has and what saymask will use."""
    from saymask.cli.doctor import report

    for line in report():
        print(line)
    return 0
