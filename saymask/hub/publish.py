"""Checkpoints to the Hugging Face hub, each with its card as the page; `hf://` names bring them back."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

from saymask.errors import CheckpointError, InputError
from saymask.hub.headers import HUB_FILE, HUB_NAME, card_of, find_checkpoint
from saymask.util.files import atomic_path, write_text
from saymask.util.network import check_reachable

EXAMPLES = {
    "refer": 'scene.refer("the chair beside the table")',
    "find": 'scene.find(["lamp", "plant"])',
    "click": "scene.click((1.2, 0.45, 0.7))",
    "semantic": "scene.semantic()",
    "instances": "scene.instances()",
    "panoptic": "scene.panoptic()",
}
"""Verb → a line of Python that asks it."""


def publish(
    source: str | Path, repository: str, *, licence: str, private: bool = False, out: str | Path | None = None
) -> str:
    """Put a checkpoint on the hub in one commit, and return its address there; the repository is made if it is new.

    `source` is a run's folder (its best.safetensors, else last.safetensors), a checkpoint file or a name that
    `load_model` knows; `repository` is `owner/name`; `licence` is the hub's name of a licence, such as apache-2.0, or
    other. With `out`, the files are written to that folder and nothing is sent; the folder is returned.

    Raises InputError for another name of a repository, and when the hub refuses or cannot be reached.
    """
    if not HUB_NAME.fullmatch(f"hf://{repository}") or "@" in repository:
        raise InputError(f"repository: expected OWNER/NAME of the hub, got {repository!r}")
    if not re.fullmatch(r"[a-z0-9.-]+", licence):
        raise InputError(f"licence: expected the hub's name of a licence, such as apache-2.0, got {licence!r}")
    checkpoint = _checkpoint_of(source)
    page = page_of(card_of(checkpoint), repository, licence)
    if out is not None:
        folder = Path(out)
        write_text(folder / "README.md", page)
        with atomic_path(folder / HUB_FILE) as temporary:
            shutil.copyfile(checkpoint, temporary)
        return str(folder)
    return _send(checkpoint, page, repository, private)


def page_of(card: dict[str, Any], repository: str, licence: str) -> str:
    """Return a checkpoint's card as the page of its repository: front matter for the hub, then Markdown."""
    from huggingface_hub import ModelCardData

    data = ModelCardData(
        license=licence, library_name="saymask", tags=["3d", "point-cloud", "segmentation", str(card["system"])]
    )
    verbs = [verb for verb in EXAMPLES if verb in card["verbs"]]
    figures = dict(card["headline"])
    protocol = figures.pop("protocol", "")
    facts = {
        "system": card["system"],
        "preset": card["preset"],
        "answers": ", ".join(verbs),
        "trained on": card["data"],
        "weights": f"{card['parameters']:,} ({card['bytes'] / 1e6:.1f} MB)" if "parameters" in card else "",
        "text encoder": card.get("text_encoder", ""),
        "made": f"{card.get('created', '')} with saymask {card.get('saymask', '')}",
        "licence": licence,
    }
    parts = [
        f"---\n{data.to_yaml()}\n---",
        f"# {repository.partition('/')[2]}",
        "A checkpoint of [saymask](https://github.com/saymask/saymask): segmentation of 3D scans by words and clicks.",
        "\n".join([
            "```python", "import saymask", "", f'model = saymask.load_model("hf://{repository}")',
            'scene = model.encode(saymask.load_scan("room.ply"))', *(EXAMPLES[verb] for verb in verbs), "```",
        ]),
        _table(("", ""), facts),
    ]  # fmt: skip
    if figures:
        parts.append(f"## Measured\n{_table((protocol or 'measure', '%'), figures)}")
    parts += [
        f"## {title}\n```json\n{json.dumps(card[key], indent=1)}\n```"
        for key, title in (("metrics", "All measurements"), ("preprocessing", "Settings"), ("training", "Training"))
        if card.get(key)
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: tuple[str, str], rows: dict[str, Any]) -> str:
    lines = [head, ("---", "---"), *((name, value) for name, value in rows.items() if value != "")]
    return "\n".join(f"| {name} | {' '.join(str(value).replace('|', '/').split())} |" for name, value in lines)


def _checkpoint_of(source: str | Path) -> Path:
    """Return the checkpoint of a run's folder, or the one that a name or a path stands for."""
    if Path(source).is_dir():
        for name in ("best.safetensors", "last.safetensors"):
            if (Path(source) / name).is_file():
                return Path(source) / name
        raise CheckpointError(f"{source}: expected a run with best.safetensors or last.safetensors, found neither")
    return find_checkpoint(source)


def _send(checkpoint: Path, page: str, repository: str, private: bool) -> str:
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi()
    check_reachable(api.endpoint)
    files = {"README.md": page.encode(), HUB_FILE: str(checkpoint)}
    try:
        made = api.create_repo(repository, private=private, exist_ok=True)
        adds = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in files.items()]
        api.create_commit(repository, adds, commit_message=f"{checkpoint.stem} of saymask")
    except HfHubHTTPError as error:
        code = error.response.status_code
        advice = "; log in with `hf auth login`, or set HF_TOKEN" if code in (401, 403) else ""
        reason = error.server_message or "no reason given"
        raise InputError(f"{repository}: the hub refuses ({code}: {reason}){advice}") from None
    except Exception as error:  # the client's transport has errors of its own, other ones in other versions
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"{repository}: sending it to the hub failed ({reason}); give the command again") from error
    return str(made)
