"""BQNet: referring segmentation of one object (3D-RES) or of any number of objects (3D-GRES)."""

from saymask.models.bqnet.config import BQNetConfig
from saymask.models.bqnet.model import BQNet
from saymask.models.bqnet.presets import gres, res, rooms, rooms_backbone
from saymask.models.bqnet.pretrain import BackbonePretraining, PretrainConfig

__all__ = ["BQNet", "BQNetConfig", "BackbonePretraining", "PretrainConfig", "gres", "res", "rooms", "rooms_backbone"]
