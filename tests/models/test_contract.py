"""The contract in types: verbs follow from methods, and what a system says about itself has defaults."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import saymask
from saymask.answers import VERBS
from saymask.errors import InputError, ProtocolError
from saymask.hub import registry
from saymask.models.contract import PROTOCOLS, answered_by
from saymask.scene.verbs import require
from tests.models.knowing_model import Knowing, KnowingConfig
from tests.models.toy_model import Toy, ToyConfig


def test_there_is_a_protocol_for_every_verb():
    assert tuple(PROTOCOLS) == VERBS
    for verb, protocol in PROTOCOLS.items():
        assert [name for name in vars(protocol) if name in VERBS] == [verb]


def test_verbs_follow_from_the_methods_there_are():
    assert answered_by(Toy) == ("refer",)
    assert answered_by(Knowing) == VERBS
    assert Knowing(KnowingConfig(hides=("find",))).verbs == tuple(v for v in VERBS if v != "find")


@pytest.mark.parametrize("name", registry.PRESETS)
def test_every_verb_of_a_preset_has_its_method(name):
    preset = registry.preset(name)
    kind = registry.system_class(preset.system)
    for verb in kind.answers(preset.model):
        assert issubclass(kind, PROTOCOLS[verb])


def test_what_a_model_says_about_itself_has_defaults():
    model = Toy(ToyConfig())
    assert model.card == {}
    assert model.title == "toy"
    assert (model.uses_superpoints, model.image_features, model.stretched_images) == (False, "", False)
    assert (model.find_threshold, model.held_out, model.has_proposals) == (None, (), False)
    with pytest.raises(InputError, match=r"unnamed masks.*got toy"):
        model.proposals(None)
    with pytest.raises(ProtocolError, match=r"click_classes.*got toy"):
        model.click_classes(None, np.zeros(1, np.int64))
    model.card = {"name": "toy.named"}
    assert model.title == "toy.named"


def test_what_the_systems_say_about_themselves_is_their_configuration():
    for name, uses in (("less.rooms", True), ("bqnet.rooms", True), ("uniseg3d.rooms", True), ("lground.rooms", None)):
        preset = registry.preset(name)
        model = registry.system_class(preset.system).__new__(registry.system_class(preset.system))
        object.__setattr__(model, "config", preset.model)
        assert model.uses_superpoints == (preset.model.superpoints if uses is None else uses), name
    model = registry.system_class("bqnet").__new__(registry.system_class("bqnet"))
    config = replace(registry.preset("bqnet.res").model, stretched_images=True)
    object.__setattr__(model, "config", config)
    assert (model.image_features, model.stretched_images) == (config.image_features, True)


def test_require_returns_the_model_or_says_who_answers():
    model = Toy(ToyConfig())
    assert require(model, "refer") is model
    with pytest.raises(InputError, match=r"toy answers refer, not find; for find use .*uniseg3d"):
        require(model, "find")


def test_nobody_guesses_what_a_model_has():
    """No sniffing of models or configurations, and no system's private file outside its folder."""
    package = Path(saymask.__file__).parent
    for path in package.rglob("*.py"):
        text, where = path.read_text(encoding="utf-8"), path.relative_to(package)
        assert "ignore[attr-defined]" not in text, where
        for word in ("hasattr(model", "getattr(model", "hasattr(self.model", "getattr(self.config", "hasattr(cls"):
            assert word not in text, f"{where}: {word}"
        if where.parts[0] in ("evaluation", "scene", "metrics", "training"):
            for system in ("less", "bqnet", "lground", "uniseg3d"):
                assert f"saymask.models.{system}" not in text, f"{where}: {system}"
