"""The commands that make, measure and list models: train, evaluate, convert, publish, models, doctor."""

import sys
from dataclasses import dataclass, field, make_dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import Positional

from saymask.cli.checks import check_evaluation, check_training
from saymask.cli.options import Switch
from saymask.errors import InputError
from saymask.evaluation.request import Request
from saymask.training.loggers import Tracker
from saymask.util.console import print_entry, table_console
from saymask.util.files import check_writable


@dataclass(frozen=True)
class RunOptions:
    """The options of a training run that do not depend on the preset."""

    data: Path
    """Folder written by `saymask prepare`."""
    out: Path
    """Folder of the run; a run that was interrupted goes on."""
    restart: Switch = False
    """Begin anew."""
    max_steps: int = 0
    """Stop after so many steps; 0 = never."""
    max_minutes: float = 0.0
    """Stop after this long; 0 = never."""
    devices: int = 1
    """Processes (CPU) or GPUs."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """Kind of device."""
    log_to: tuple[Tracker, ...] = ()
    """Send the numbers to Weights & Biases or MLflow as well (settings: their environment variables)."""
    seeds: tuple[int, ...] = ()
    """Train once with each seed, in OUT/seed-N; mean and deviation at the end."""


def train(arguments: list[str]) -> int:
    """Train a preset; every field of its configuration is a flag."""
    from saymask.hub.registry import PRESETS, preset

    again = bool(arguments) and arguments[0] == "--config"
    if not again and (not arguments or arguments[0].startswith("-")):
        print("usage: saymask train PRESET --data DATA --out RUN [--help for every flag of the preset]")
        print("       saymask train --config RUN/config.json --data DATA --out RUN2   (the settings of another run)")
        print("presets: " + ", ".join(PRESETS))
        return 0 if {"-h", "--help"} & set(arguments) else 2
    if again:
        from saymask.training.again import preset_of_run

        if len(arguments) < 2:
            raise InputError("--config: expected RUN/config.json, got nothing")
        chosen = preset_of_run(Path(arguments[1]))
        arguments = [chosen.name, *arguments[2:]]
        check_training(arguments)
    else:
        chosen = preset(check_training(arguments))
    # The flags and their defaults depend on the preset, so the command's type is made when its name is known.
    settings = (("train", chosen.train), ("model", chosen.model))
    fields = [(name, type(value), field(default=value)) for name, value in settings]
    command = make_dataclass("Train", fields, bases=(RunOptions,), frozen=True)
    command.__doc__ = f"Train {chosen.name} on prepared data."
    options: Any = tyro.cli(command, args=arguments[1:], prog=f"saymask train {chosen.name}")
    from saymask.training.again import print_seeds, train_seeds
    from saymask.training.run import train

    made = replace(chosen, model=options.model, train=options.train)
    how = {
        "devices": options.devices,
        "accelerator": options.accelerator,
        "resume": not options.restart,
        "max_steps": options.max_steps,
        "max_minutes": options.max_minutes,
        "log_to": options.log_to,
    }
    if options.seeds:
        print_seeds(train_seeds(made, options.data, options.out, options.seeds, **how))
    else:
        train(made, options.data, options.out, **how)
    return 0


def evaluate(
    model: Positional[str],
    request: tyro.conf.FlagCreatePairsOff[tyro.conf.OmitArgPrefixes[Request]],
) -> int:
    """Measure a checkpoint, or predictions in a file, on prepared data with a named protocol.

    Args:
        model: Name or path of a checkpoint ("default" is the embedded one for the task), or
            predictions: for sentences a .json, a .json.gz or a folder that --export wrote, for
            semantic and instance a folder of the benchmark's submission files (<scene>.txt).
            Predictions are scored without any model.
        request: What is measured.
    """
    check_evaluation(model, request)
    from saymask.evaluation.run import evaluate
    from saymask.evaluation.tables import print_table

    print_table(evaluate(None if model == "default" else model, request), per_class=request.per_class)
    return 0


def compare(
    a: Positional[Path], b: Positional[Path], *, top: int = 5, samples: int = 10_000, json: Path | None = None
) -> int:
    """Compare two evaluations sentence by sentence: differences with intervals, biggest wins and losses.

    Args:
        a: What `saymask evaluate --json FILE` (or --rows FILE) wrote for one model.
        b: The same of another model, on the same data.
        top: Wins and losses to list.
        samples: Draws of the scans for the intervals (paired bootstrap).
        json: File to write the comparison to.
    """
    for name, value, least in (("--top", top, 0), ("--samples", samples, 100)):
        if value < least:
            raise InputError(f"{name}: expected {least} or more, got {value}")
    if json is not None:
        check_writable(json)
    from saymask.evaluation.compare import compare, write_comparison
    from saymask.evaluation.tables import print_comparison

    found = compare(a, b, top=top, samples=samples)
    print_comparison(found, str(a), str(b))
    if json is not None:
        write_comparison(json, found)
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
    keep_tower: bool = True,
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
        keep_tower: uniseg3d only: whether the checkpoint keeps the file's text tower (half a GB); without it sentences
            and words need the encoder from the hub or from --text-encoder.
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
            keep_tower=keep_tower,
        )
    )
    return 0


def get(
    names: Annotated[
        Positional[tuple[str, ...]], tyro.conf.arg(metavar="NAME", help_behavior_hint="(none: a list)")
    ] = (),
    *,
    from_: Annotated[str | None, tyro.conf.arg(name="from", metavar="FOLDER|URL")] = None,
) -> int:
    """Download weights that the authors publish, trained on real scans, and convert them.

    Args:
        names: Names of the catalogue or of text encoders; without any the list is printed.
        from_: Folder with the official files, where they have been downloaded by hand, or the address of a mirror that
            has them by their names.
    """
    if not names:
        _print_catalogue()
        return 0
    from saymask.hub.catalogue import entry_named
    from saymask.text.weights import SOURCES

    for name in names:
        if name not in SOURCES:
            entry_named(name)  # before anything is downloaded
    from saymask.convert.get import get

    for name in names:
        path = get(name, from_)
        print(f"{name} is here: {path}")
        if name not in SOURCES and (verbs := entry_named(name).answers):
            print(f"use it with --model {name} (answers {', '.join(verbs)})")
    return 0


def _print_catalogue() -> None:
    from saymask.answers import VERBS
    from saymask.hub.catalogue import catalogue
    from saymask.text.weights import SOURCES

    console = table_console()
    for entry in catalogue().values():
        verbs = "everything" if set(entry.answers) == set(VERBS) else ", ".join(entry.answers)
        here = "here" if entry.is_here else "by hand" if entry.page else ""
        print_entry(console, entry.name, here, [entry.what, f"answers {verbs}" if verbs else ""])
    print_entry(console, "text encoders, from the hub", "", [", ".join(SOURCES)])
    console.print("by hand: on a share page only; `saymask get NAME` says where and what to do")


def publish(
    source: Positional[str],
    repository: Positional[str],
    *,
    licence: str,
    private: Switch = False,
    out: Path | None = None,
) -> int:
    """Put a checkpoint on the Hugging Face hub, its card as the page; `--model hf://OWNER/NAME` brings it back.

    Args:
        source: Folder of a run, name or path of a checkpoint.
        repository: OWNER/NAME; it is made if it is new.
        licence: The hub's name of a licence, such as apache-2.0, or other. Terms of the training data count, too.
        private: Make a new repository that nobody else sees.
        out: Folder to write the page and the checkpoint to instead; nothing is sent.
    """
    from saymask.hub.publish import publish

    print(publish(source, repository, licence=licence, private=private, out=out))
    return 0


def models(*, json: Switch = False) -> int:
    """List the checkpoints and presets.

    Args:
        json: Print one JSON object: the cards of the checkpoints, and the names of the presets.
    """
    from saymask.hub.catalogue import got
    from saymask.hub.headers import IN_MODELS, card_of, embedded, list_models
    from saymask.hub.registry import PRESETS

    brought = [{**card_of(path), "default_for": []} for path in got().values()]
    cards = [*list_models(), *brought]
    if json:
        from json import dumps

        print(dumps({"checkpoints": cards, "presets": list(PRESETS)}))
        return 0
    console = table_console()
    for card in cards:
        verbs = ", ".join(verb + "*" * (verb in card["default_for"]) for verb in card["verbs"])
        figures = dict(card.get("headline", {}))
        rule = figures.pop("protocol", "")
        measured = ", ".join(f"{key} {value:.1f}" for key, value in figures.items())
        said = f"measured, in %: {measured}; {rule}" if figures else ""
        lines = [f"answers {verbs}", said, f"trained on {card['data']}"]
        print_entry(console, card["name"], f"{card['bytes'] / 1e6:.1f} MB", lines)
    console.print("* answered by this checkpoint when no model is named")
    if absent := [name for name in IN_MODELS if name not in embedded()]:
        console.print(f"more, in the package saymask-models: {', '.join(absent)}")
    console.print("more, trained by the authors on ScanNet: `saymask get`\n")
    families = groupby(PRESETS, lambda name: name.partition(".")[0])
    print_entry(console, "presets for `saymask train`", "", [", ".join(names) for _, names in families])
    return 0


def doctor(*, warm: Switch = False) -> int:
    """Say what this machine has and what saymask will use.

    Args:
        warm: Compile the kernels that the first answers, pictures and training steps would else wait for; they are
            kept.
    """
    from saymask.cli.doctor import report

    if warm:
        from saymask.cli.warm import warm as compile_kernels

        compile_kernels(lambda text: print(f"{text} …", file=sys.stderr, flush=True))
    for line in report():
        print(line)
    return 0
