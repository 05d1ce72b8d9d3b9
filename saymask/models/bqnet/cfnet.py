"""CFNet: BQNet's code with three modules switched on (CFR, PSC, DQF).

The paper's code was never released; the modules are our reading of its description (docs/systems/cfnet.md). This is the
one system that shares another's file, because it is that system with three switches.
"""

from dataclasses import replace

from saymask.models.base import Preset
from saymask.models.bqnet import BQNet, presets


class CFNet(BQNet):
    """CFNet (our reading); a BQNet whose configuration has its three switches on."""

    system = "cfnet"


def _with_modules(preset: Preset) -> Preset:
    model = replace(preset.model, feature_refinement=True, spatial_constraint=True, query_focusing=True)
    return replace(preset, name=preset.name.replace("bqnet", "cfnet"), system="cfnet", model=model)


def res() -> Preset:
    """Return `cfnet.res`: 3D-RES on ScanRefer."""
    return _with_modules(presets.res())


def gres() -> Preset:
    """Return `cfnet.gres`: 3D-GRES on Multi3DRefer."""
    return _with_modules(presets.gres())


def rooms() -> Preset:
    """Return `cfnet.rooms`: the Rooms preset of BQNet with CFNet's modules."""
    return _with_modules(presets.rooms())
