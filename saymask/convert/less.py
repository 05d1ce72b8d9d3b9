"""Official checkpoints of LESS, with the word projections that they lack."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from saymask.errors import CheckpointError
from saymask.hub.checkpoints import save_checkpoint
from saymask.io.pickles import read_foreign, state_dict_of
from saymask.models.less import Less, compat, scanrefer
from saymask.models.less.official import load_official, projections_in, rebuild_projections
from saymask.text import load_text_encoder


def convert_less(
    state: dict[str, Tensor],
    path: Path,
    out: Path,
    projections: str,
    text_encoder: str | None,
    card: dict[str, Any],
    report: Callable[[str], None],
) -> Path:
    """Write the checkpoint `out` of an official state dict; choices and errors as `saymask.convert.convert` says."""
    config = compat(scanrefer().model, dropout=False)
    if projections == "rebuild":
        chosen = rebuild_projections()
        report(
            "word projections drawn again under seed 42 of this version of torch; whether the trainer drew the same "
            "numbers cannot be known: check the metrics of the converted model"
        )
    else:
        chosen = read_projections(Path(projections))
    encoder = None if text_encoder is None else load_text_encoder(config.text_encoder, text_encoder)
    model = Less(config, text_encoder=encoder)
    result = load_official(model, state, projections=chosen)
    report(f"{len(result.used)} tensors loaded, {len(result.unused)} without effect left out")
    own = {
        "name": f"less.{path.stem}",
        "preset": "less.scanrefer",
        "system": "less",
        "source": f"official checkpoint {path.name}",
        "projections": "rebuilt from seed 42" if projections == "rebuild" else Path(projections).name,
    }
    return save_checkpoint(model, out, own | card)


def read_projections(path: Path) -> dict[str, Tensor]:
    """Return the word projections in a safetensors file or a checkpoint; CheckpointError where they are not there."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if path.suffix == ".safetensors" and path.is_file():
        try:
            return projections_in(load_file(path))
        except (SafetensorError, OSError, KeyError) as error:
            raise CheckpointError(f"{path}: expected a safetensors file of projections: {error}") from None
    return projections_in(state_dict_of(read_foreign(path)[0]))
