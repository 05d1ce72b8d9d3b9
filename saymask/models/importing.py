"""Common steps of importing official checkpoints: names by pattern, one strict loop over tensors, a report."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from torch import Tensor, nn

from saymask.errors import CheckpointError, InputError
from saymask.sparse.importers import cube_root, from_spconv1, from_spconv2

Layout = Literal["spconv1", "spconv2"]
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Report:
    """Report on the tensors of an official checkpoint, by their keys there."""

    used: tuple[str, ...]
    unused: tuple[str, ...]
    """Known keys of tensors that nothing here needs; left out."""
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    wrong_shape: tuple[str, ...] = ()
    """`key: expected [...], got [...]`."""

    @property
    def problems(self) -> list[str]:
        """Return one line per key that does not fit."""
        return [
            *(f"{key}: missing" for key in self.missing),
            *(f"{key}: unexpected" for key in self.unexpected),
            *self.wrong_shape,
        ]

    def check(self, title: str) -> None:
        """Raise CheckpointError that starts with `title` and lists every problem, if there is any."""
        if self.problems:
            expected = len(self.used) + len(self.missing) + len(self.wrong_shape)
            raise CheckpointError(
                f"{title}: expected {expected} tensors, {len(self.problems)} do not fit: {'; '.join(self.problems)}"
            )


def part_of(model: nn.Module, kind: type[M]) -> tuple[str, M | None]:
    """Return the first module of a kind inside `model` and the prefix of its names there; None without one."""
    for name, module in model.named_modules():
        if isinstance(module, kind):
            return f"{name}." if name else "", module
    return "", None


def names_of_parts(
    model: nn.Module, kinds: Mapping[type[nn.Module], Callable[[Any], Mapping[str, str]]]
) -> dict[str, str]:
    """Return our state-dict name → official key of the parts of these kinds inside `model`, as each names its own."""
    names: dict[str, str] = {}
    for kind, named in kinds.items():
        at, part = part_of(model, kind)
        names |= {} if part is None else {f"{at}{name}": key for name, key in named(part).items()}
    return names


def renamed(name: str, patterns: Iterable[tuple[str, str]]) -> str:
    """Return `name` by the first of the (pattern, replacement) pairs that matches all of it; KeyError for none."""
    for pattern, replacement in patterns:
        if match := re.fullmatch(pattern, name):
            return match.expand(replacement)
    raise KeyError(name)


def fit(
    own: Mapping[str, Tensor],
    names: Mapping[str, str],
    given: Mapping[str, Tensor],
    *,
    unused: str | re.Pattern[str] | None = None,
    ours: Callable[[str, Tensor], Tensor | None] = lambda name, value: value,
    theirs: Callable[[str, Sequence[int]], object] = lambda name, shape: list(shape),
) -> tuple[dict[str, Tensor], Report]:
    """Return the tensors of `given` (official key → tensor) that fit, under our names and layout, and the report.

    own: tensors of the model. names: our name → official key of what is wanted. unused: keys that may be there as well
    (matched at their start). `ours(name, value)` brings a tensor into our layout; None, InputError or IndexError mean
    that the tensor has no such layout. `theirs(name, shape)` is the official shape of one of our tensors, for the
    message. Nothing is loaded here.
    """
    found, missing, wrong = {}, [], []
    for name, key in names.items():
        if key not in given:
            missing.append(key)
            continue
        try:
            value = ours(name, given[key])
        except (InputError, IndexError):
            value = None
        if value is None or value.shape != own[name].shape:
            wrong.append(f"{key}: expected {theirs(name, own[name].shape)}, got {list(given[key].shape)}")
        else:
            found[name] = value
    wanted = set(names.values())
    rest = [key for key in given if key not in wanted]
    known = {key for key in rest if unused is not None and re.match(unused, key)}
    return found, Report(
        used=tuple(names[name] for name in found),
        unused=tuple(key for key in rest if key in known),
        missing=tuple(missing),
        unexpected=tuple(key for key in rest if key not in known),
        wrong_shape=tuple(wrong),
    )


def from_spconv(name: str, value: Tensor, layout: Layout = "spconv2") -> Tensor:
    """Return a tensor of a U-Net on spconv in our layout: kernels [K, in, out], those of shortcuts [out, in].

    Raises InputError for a kernel that has not the five axes of spconv.
    """
    shortcut = name.endswith("shortcut.weight")
    if value.ndim == 3 or (shortcut and value.ndim != 5):
        raise InputError(f"expected a kernel of five axes, got {list(value.shape)}")
    if value.ndim != 5:
        return value
    value = from_spconv2(value) if layout == "spconv2" else from_spconv1(value)
    return value[0].T.contiguous() if shortcut else value


def spconv_shape(name: str, shape: Sequence[int], layout: Layout = "spconv2") -> list[int]:
    """Return the official shape of one of our U-Net's tensors; `from_spconv` is the way back.

    Kernels are [out, k, k, k, in] in spconv 2 and [k, k, k, in, out] in spconv 1.
    """
    if name.endswith("shortcut.weight"):
        shape = [1, *reversed(shape)]
    if len(shape) != 3:
        return list(shape)
    volume, inputs, outputs = shape
    edge = [cube_root(volume)] * 3
    return [outputs, *edge, inputs] if layout == "spconv2" else [*edge, inputs, outputs]
