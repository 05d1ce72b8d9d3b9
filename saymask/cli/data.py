"""The commands that make data: rooms, prepare, anchors."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from saymask.cli.options import Switch
from saymask.errors import InputError
from saymask.util.devices import check_device
from saymask.util.files import check_writable

if TYPE_CHECKING:
    from saymask.text.encoder import TextEncoder


def rooms(
    out: Positional[Path],
    *,
    split: tuple[str, ...] = ("train=400", "val=60"),
    seed: int = 0,
    version: Literal[1, 2] = 1,
    sensor: Literal["ideal", "handheld", "rgbd", "mixed"] = "ideal",
    furniture: Path | None = None,
    workers: int = 2,
) -> int:
    """Generate furnished rooms with sentences in the raw formats of ScanNet, ScanRefer and Multi3DRefer.

    Args:
        out: Folder to write; an interrupted run goes on where it stopped.
        split: Rooms per split, e.g. train=400 val=60.
        seed: A room is a function of version, seed, split and index alone.
        version: 1 = the benchmark that results are given on, 2 = more varied shapes, contents and plans.
        sensor: How surfaces become points; ideal = all that is visible, handheld = what a quick walk with a depth
            camera shows, rgbd = the same with more and larger frames, kept in OUT/frames, mixed = one of them per room.
        furniture: File of furniture models that stand in for a part of the furniture (version 2), made by
            python -m saymask.data.furniture_library.
        workers: Processes.
    """
    splits: dict[str, int] = {}
    for item in split:
        name, _, number = item.partition("=")
        if name not in {"train", "val"} or not number.isdigit() or int(number) < 1:
            raise InputError(f"--split expects train=N or val=N with N >= 1, got {item!r}")
        splits[name] = int(number)
    check_workers(workers)
    check_writable(out / "card.json")
    from saymask.rooms.generate import generate

    generate(out, splits, seed=seed, version=version, sensor=sensor, furniture=furniture, workers=workers)
    return 0


def check_workers(workers: int) -> None:
    """Raise InputError for a number of processes that is none."""
    if workers < 1:
        raise InputError(f"--workers: expected 1 or more, got {workers}")


def check_encoder(name: str) -> None:
    """Raise InputError for a text encoder that is neither known nor a folder."""
    from saymask.hub.registry import suggest
    from saymask.text.weights import SOURCES

    if name not in SOURCES and not Path(name).expanduser().is_dir():
        raise InputError(f"--encoder: expected {', '.join(SOURCES)} or a folder, got {name!r}{suggest(name, SOURCES)}")


def prepare(
    raw: Positional[Path],
    *,
    out: Path,
    workers: int | None = None,
    engine: Literal["process", "ray"] = "process",
    address: str | None = None,
    superpoints: Literal["mesh", "segs"] = "mesh",
    pseudo_masks: Path | None = None,
    class_names: Path | None = None,
    image_features: str | None = None,
    image_features_from: Path | None = None,
    frames: Path | None = None,
    every: int = 10,
    stretched: Switch = False,
    image_weights: Path | None = None,
    final_norm: bool = True,
    device: str = "auto",
    quiet: Switch = False,
) -> int:
    """Read a folder of raw scans once and write what training and evaluation need.

    Args:
        raw: Folder with scans in ScanNet's layout or that of LESS, BQNet, LGround, UniSeg3D, ScanNet++, S3DIS, Replica
            or ARKitScenes, with label table, ScanRefer, Multi3DRefer, Nr3D and Sr3D files where present.
        out: Folder to write; finished scenes are kept, so an interrupted run goes on where it stopped.
        workers: Processes; 2, or as many as the cluster has CPUs.
        engine: Processes of this machine, or a Ray cluster (docs/scale.md).
        address: With --engine ray: HOST:PORT of the cluster's head; without it the cluster of this machine.
        superpoints: Recompute superpoints from the mesh, or take ScanNet's segs.json.
        pseudo_masks: Folder with masks of objects that have no annotation, for UniSeg3D: <id>.npy, .npz or .pth with
            a number per point (negative = none, SAM3D's output) or masks [J, points].
        class_names: JSON file {category: ScanNet's category, or null} for collections that name things otherwise.
        image_features: Also make 2D features of the scans' frames with this image model: clip-vit-l14-336.
        image_features_from: Folder with the 2D features that BQNet's authors offer: <id>.pth; <id>_refer.pth, whose
            superpoints they belong to, there or in RAW/scannetv2/train and val.
        frames: Where the frames are, <id>.sens or <id>/color, depth, pose; without it the scan folders or RAW/frames.
        every: Use the frames whose number is a multiple of this.
        stretched: Project images as the official code does: centre crop stretched over the frame, unseen points as 0.
        image_weights: Local folder with the image model's config.json and model.safetensors.
        final_norm: Take image features after the model's last norm (newer open_clip) or before it (older).
        device: Where the image model runs: auto, cpu, cuda, …
        quiet: No progress bar.
    """
    check_device(device)
    if every < 1:
        raise InputError(f"--every: expected 1 or more, got {every}")
    for name, folder in (
        ("--frames", frames),
        ("--image-weights", image_weights),
        ("--pseudo-masks", pseudo_masks),
        ("--class-names", class_names),
    ):
        if folder is not None and not folder.exists():
            raise InputError(f"{name}: {folder} is not there; check the path")
    from saymask.data.prepare.folder import prepare

    report = prepare(
        raw,
        out,
        workers=2 if workers is None and engine == "process" else workers,
        engine=engine,
        address=address,
        superpoints=superpoints,
        pseudo_masks=pseudo_masks,
        class_names=class_names,
        image_features=image_features,
        image_features_from=image_features_from,
        frames=frames,
        every=every,
        stretched=stretched,
        image_weights=image_weights,
        final_norm=final_norm,
        device=device,
        quiet=quiet,
    )
    return 0 if report.ok else 2


def anchors(
    out: Positional[Path],
    *,
    names: str = "scannet200",
    encoder: str = "clip-vit-b32",
    weights: Path | None = None,
    templates: tuple[str, ...] = ("{}",),
) -> int:
    """Encode class names with a frozen text encoder, for language-grounded training.

    Args:
        out: The .safetensors file to write.
        names: scannet200, scannet20, or a text file with one name per line.
        encoder: Text encoder: clip-vit-b32 (the published anchors), minilm, roberta-base, another that
            `saymask.text.encoder` names, or a local folder in Hugging Face's layout.
        weights: Local folder with the weights of that encoder, where the hub cannot be reached; the file then says the
            encoder's name, not the folder's.
        templates: Texts with one {} for the name; of several, the normalised features are averaged.
    """
    check_writable(out)
    if out.suffix != ".safetensors":
        raise InputError(f"cannot write anchors to {out}: expected a name that ends in .safetensors")
    if any(template.count("{}") != 1 for template in templates):
        raise InputError(f"--templates: expected texts with one {{}} for the name, got {list(templates)}")
    chosen = _class_names(names)
    check_encoder(encoder)
    from saymask.models.lground.anchors import make_anchors, save_anchors

    source = encoder if weights is None else _local_encoder(encoder, weights)
    made = make_anchors(chosen, source, templates=templates)
    print(f"{save_anchors(out, made)}: {len(made):,} anchors, {made.dim} wide, of {made.encoder}")
    return 0


def _class_names(names: str) -> tuple[str, ...]:
    """Return the names of a class list, or of a file, whose empty lines do not count."""
    from saymask.labels.tables import scannet20, scannet200

    known = {"scannet200": scannet200, "scannet20": scannet20}
    if names in known:
        return tuple(c.name for c in known[names]())
    path = Path(names)
    if not path.is_file():
        raise InputError(f"--names: expected {', '.join(known)} or a text file with one name per line, got {names!r}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected UTF-8 text, byte {error.start} is not; convert the file to UTF-8") from None
    lines = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not lines:
        raise InputError(f"{path}: expected one class name per line, got an empty file")
    return lines


def _local_encoder(name: str, folder: Path) -> "TextEncoder":
    """Return the encoder `name` from `folder`; InputError where a model of another kind lies there."""
    from saymask.text.encoder import encoder_from_folder
    from saymask.text.weights import SOURCES, find_weights

    if name not in SOURCES:
        raise InputError(f"--weights: expected --encoder to name what is in them ({', '.join(SOURCES)}), got {name!r}")
    if not folder.is_dir():
        raise InputError(f"--weights: expected a folder with config.json and model.safetensors, got {folder}")
    encoder = encoder_from_folder(find_weights(str(folder)), name)
    kind = {"minilm": "bert", "roberta-base": "roberta"}.get(name, "clip")
    if encoder.kind != kind:
        raise InputError(f"--weights: expected {name} in {folder}, got a {encoder.kind} model; name it with --encoder")
    return encoder
