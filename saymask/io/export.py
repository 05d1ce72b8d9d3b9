"""Results as the content of files that somebody saves elsewhere."""

from pathlib import Path

from saymask.errors import InputError
from saymask.io.uploads import display_name
from saymask.masks import Masks
from saymask.util.temporaries import temporary_folder

MASK_FORMATS = ("ply", "glb", "npz", "json")


def export(masks: Masks, kind: str, *, colored: bool | None = None) -> tuple[str, bytes]:
    """Return name and content of masks as a file of `kind`; raises InputError as `Masks.save` does."""
    if kind not in MASK_FORMATS:
        raise InputError(f"save as: expected one of {', '.join(MASK_FORMATS)}, got {kind!r}")
    with temporary_folder() as folder:
        path = masks.save(folder / f"masks.{kind}", colored=colored)
        return f"{stem(masks.scan.name)}_masks.{kind}", path.read_bytes()


def stem(name: str) -> str:
    """Return the plain name of a scan without a suffix."""
    return Path(display_name(name or "scan")).stem.replace(" ", "_") or "scan"
