"""CLIP's image tower: features of image patches, for 2D features on scans (docs/systems/bqnet.md §2.3)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from saymask.errors import InputError
from saymask.geometry.camera import Crop, center_crop
from saymask.text.weights import SOURCES, hub_folder

IMAGE_ENCODERS = tuple(name for name in SOURCES if name.startswith("clip-"))
"""Names of image towers that can be had without knowing a path."""
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)
_FILES = ["config.json", "model.safetensors", "pytorch_model.bin"]


class ImageEncoder(nn.Module):
    """A CLIP image tower; called with images it returns the features of their patches.

    `final_norm` puts the tower's last layer norm on the patches, as the newer open_clip does; without it they are taken
    before that norm, as the older one did. Features are neither projected nor brought to length 1. The activation
    (QuickGELU for OpenAI's weights) is the one that the model's own configuration names.
    """

    def __init__(self, model: nn.Module, *, final_norm: bool = True) -> None:
        super().__init__()
        self.model = model
        self.final_norm = final_norm
        config: Any = model.config
        self.side: int = config.image_size
        self.grid: tuple[int, int] = (config.image_size // config.patch_size,) * 2
        """Rows and columns of patches."""
        self.dim: int = config.hidden_size

    def crop(self, width: int, height: int) -> Crop:
        """Return what the tower sees of an image."""
        return center_crop(width, height, self.side)

    def preprocess(self, image: np.ndarray) -> Tensor:
        """Return float32 [3, side, side] of an image uint8 [H, W, 3]: bicubic resize, centre crop, CLIP's colours."""
        from PIL import Image

        crop = self.crop(image.shape[1], image.shape[0])
        resized = Image.fromarray(image).resize((crop.resized_width, crop.resized_height), Image.Resampling.BICUBIC)
        cut = resized.crop((crop.left, crop.top, crop.left + crop.side, crop.top + crop.side))
        values = np.asarray(cut, dtype=np.float32) / np.float32(255)
        values = (values - np.array(_MEAN, np.float32)) / np.array(_STD, np.float32)
        return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))

    @torch.inference_mode()
    def forward(self, images: Sequence[np.ndarray] | Tensor) -> Tensor:
        """Return float32 [B, patches, dim], row by row, of images uint8 [H, W, 3] or of [B, 3, side, side]."""
        pixels = images if isinstance(images, Tensor) else torch.stack([self.preprocess(image) for image in images])
        parameter = next(self.parameters())
        model: Any = self.model
        out = model(pixel_values=pixels.to(parameter.device, parameter.dtype)).last_hidden_state[:, 1:]
        if self.final_norm:
            out = model.post_layernorm(out)
        return out.float()


def load_image_encoder(name: str = "clip-vit-l14-336", *, final_norm: bool = True) -> ImageEncoder:
    """Return the image tower `name`: one of `IMAGE_ENCODERS`, or a local folder; on the CPU, float32, in eval mode.

    A folder holds config.json and model.safetensors (or pytorch_model.bin, of which only tensors are read) of a CLIP
    model or of its image tower alone. Raises InputError that says the ways to get weights when there are none.
    """
    return image_encoder_from_folder(find_image_weights(name), final_norm=final_norm)


def image_encoder_from_folder(folder: Path, *, final_norm: bool = True) -> ImageEncoder:
    """Load the image tower saved in `folder`."""
    from transformers import AutoConfig, CLIPVisionModel

    try:
        config: Any = AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"image encoder in {folder} cannot be loaded: {str(error).splitlines()[0]}") from error
    if config.model_type not in ("clip", "clip_vision_model"):
        raise InputError(f"{folder}: expected a clip or clip_vision_model model, got model_type {config.model_type!r}")
    # Every weight is read from the file: the random ones cost time and disturb the caller's random numbers.
    with torch.device("meta"):
        whole = CLIPVisionModel(getattr(config, "vision_config", config))
    model: Any = getattr(whole, "vision_model", whole)  # some releases wrap the tower
    model.to_empty(device="cpu")
    expected = model.state_dict()
    state = {_own_name(key): value for key, value in _read_state(folder).items()}
    wrong = [key for key, value in expected.items() if key not in state or state[key].shape != value.shape]
    if wrong:
        raise InputError(
            f"{folder}: expected all weights of the image tower in config.json, {len(wrong)} are missing or of another "
            f"shape, such as {wrong[0]}"
        )
    model.load_state_dict({key: state[key].float() for key in expected})
    model.embeddings.position_ids = torch.arange(model.embeddings.num_positions)[None]  # a buffer that no file holds
    return ImageEncoder(model, final_norm=final_norm).eval().requires_grad_(False)


def _own_name(key: str) -> str:
    return key.removeprefix("vision_model.")


def _read_state(folder: Path) -> dict[str, Tensor]:
    """Return the tensors of the tower; those of the text half are left where they are."""
    from safetensors import safe_open

    path = folder / "model.safetensors"
    try:
        if path.is_file():
            with safe_open(path, framework="pt") as file:
                names = [name for name in file.keys() if not name.startswith("text_model.")]  # noqa: SIM118
                return {name: file.get_tensor(name) for name in names}
        path = folder / "pytorch_model.bin"
        # Tensors only: no code of the file runs.
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        raise InputError(f"{path}: cannot be read: {str(error).splitlines()[0]}; get the file again") from error
    return {name: value for name, value in state.items() if not name.startswith("text_model.")}


def find_image_weights(name: str) -> Path:
    """Return the folder with the weights of the image tower `name` (see `load_image_encoder`)."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _checked(folder)
    if name not in IMAGE_ENCODERS:
        raise InputError(
            f"image encoder {name!r}: expected one of {', '.join(IMAGE_ENCODERS)} or a folder with config.json and "
            "model.safetensors"
        )
    repository = SOURCES[name].repository
    ways = (
        f"no weights for the image encoder {name!r}. Three ways: (1) give a local folder (--image-encoder, of prepare "
        f"--image-weights) that holds config.json and model.safetensors of {repository}; (2) `saymask get {name}`; (3)"
    )
    return _checked(hub_folder(repository, _FILES, ways))


def _checked(folder: Path) -> Path:
    missing = [] if (folder / "config.json").is_file() else ["config.json"]
    if not any((folder / name).is_file() for name in _FILES[1:]):
        missing.append("model.safetensors")
    if missing:
        raise InputError(f"image encoder folder {folder}: expected {' and '.join(missing)} in it, not found")
    return folder
