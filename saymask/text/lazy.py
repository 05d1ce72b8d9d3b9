"""A frozen text encoder that is loaded when a text is first asked for, so that only prompts with words pay for it."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from saymask.errors import InputError
from saymask.text.encoder import TextEncoder, TextFeatures, load_text_encoder


class LazyTextEncoder(nn.Module):
    """Stands for the text encoder `name` (one of `weights.SOURCES` or a local folder) until a text is asked for.

    The encoder is kept outside the module's own state: it is no part of a state dict, and has no parameters to train.
    """

    _here: torch.Tensor

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.kept = False
        """Whether a checkpoint of the model holds the encoder's weights, too."""
        self._load: Callable[[], TextEncoder] | None = None
        self._recorded, self._whose = "", ""
        self.checked = ""
        """Fingerprint of the encoder that was loaded, where it was compared with the recorded one."""
        self._held: list[TextEncoder] = []  # a list, so that it is no submodule
        self.register_buffer("_here", torch.empty(0), persistent=False)

    def expect(self, fingerprint: str, whose: str) -> None:
        """Refuse, when it is loaded, an encoder of another fingerprint; `whose` is the checkpoint that recorded it."""
        self._recorded, self._whose = fingerprint, whose

    def keep(self, load: Callable[[], TextEncoder]) -> None:
        """Take the encoder from `load` and not by its name; checkpoints of the model are to hold its weights."""
        self.kept, self._load = True, load

    def use(self, encoder: TextEncoder) -> None:
        """Take an encoder that is loaded already."""
        self._held, self.checked = [encoder.requires_grad_(False)], ""

    @property
    def fingerprint(self) -> str:
        """The recorded fingerprint, else that of the encoder, which is loaded for it."""
        return self._recorded or self.loaded().fingerprint

    def loaded(self) -> TextEncoder:
        """Return the encoder in eval mode; InputError where there is none, or another one than was recorded."""
        if not self._held:
            try:
                encoder = load_text_encoder(self.name) if self._load is None else self._load()
            except InputError as error:
                raise InputError(f"{self._whose}{': ' if self._whose else ''}{error}") from None
            if self._recorded and (found := encoder.fingerprint) != self._recorded:
                raise InputError(
                    f"{self._whose} was trained with text encoder {self.name!r} ({self._recorded[:12]}…), but another "
                    f"({found[:12]}…) is installed here; give the same one with --text-encoder FOLDER"
                )
            self.checked = self._recorded
            self._held.append(encoder.requires_grad_(False))
        return self._held[0]

    def forward(self, texts: Sequence[str]) -> TextFeatures:
        """Return the features of texts, in the mode of this module (with dropout in training)."""
        return self.loaded().to(self._here.device).train(self.training)(texts)
