"""Checkpoints: what is saved comes back, and every file that cannot be used is named with a way out."""

import dataclasses
import hashlib
import importlib
import json
import pickle
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from saymask.answers import VERBS
from saymask.errors import CheckpointError, InputError
from saymask.hub import checkpoints, headers, registry
from saymask.util.settings import fingerprint, from_json, override, to_json
from tests.models import toy_clicks
from tests.models.toy_model import ToyConfig, register


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    register(monkeypatch)


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    return checkpoints.save_checkpoint(registry.build("toy.tiny"), tmp_path / "model.safetensors", {"data": "boxes"})


def refused(path, *words: str) -> None:
    with pytest.raises(CheckpointError) as error:
        checkpoints.load_model(path)
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_round_trip(tmp_path):
    torch.manual_seed(3)
    model = registry.build("toy.tiny")
    path = checkpoints.save_checkpoint(model, tmp_path / "a.safetensors", {"data": "boxes", "headline": {"mIoU": 12.0}})
    again = checkpoints.load_model(path)
    assert not again.training
    assert again.config == model.config
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values()))
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card["bytes"] == path.stat().st_size
    assert (card["system"], card["preset"], card["verbs"], card["data"]) == ("toy", "toy.tiny", ["refer"], "boxes")
    assert again.card["headline"] == {"mIoU": 12.0}


def test_float16_halves_matrices_and_keeps_vectors(tmp_path):
    model = registry.build("toy.tiny")
    model.points[1].running_var.fill_(1e6)  # more than half precision can hold
    path = checkpoints.save_checkpoint(model, tmp_path / "half.safetensors", dtype="float16")
    tensors = load_file(path)
    assert {str(v.dtype) for v in tensors.values() if v.dim() == 2} == {"torch.float16"}
    again = checkpoints.load_model(path)
    assert all(v.dtype != torch.float16 for v in again.state_dict().values())
    assert float(again.points[1].running_var[0]) == 1e6
    for name, value in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=1e-3, atol=1e-6)


def test_frozen_text_encoder_is_named_not_stored(tmp_path, monkeypatch):
    model = registry.build("toy.frozen")
    path = checkpoints.save_checkpoint(model, tmp_path / "frozen.safetensors")
    assert not [name for name in load_file(path) if "text_encoder" in name]
    assert torch.equal(checkpoints.load_model(path).text_encoder.table.weight, model.text_encoder.table.weight)
    assert json.loads(path.with_suffix(".json").read_text())["text_encoder"] == "hashed-words"
    from tests.models import toy_model

    monkeypatch.setattr(toy_model.Words, "fingerprint", property(lambda self: "0" * 64))
    refused(path, "text encoder 'hashed-words'", "install the same")


def test_missing_file_and_unknown_name(tmp_path):
    refused(tmp_path / "nothing.safetensors", "there is no checkpoint file", "check the path")
    refused("toy.tiny", "no weights for 'toy.tiny'", "saymask train toy.tiny")
    refused("lesss", "there is no checkpoint 'lesss'")
    refused(tmp_path, "is a folder")
    with pytest.raises(InputError, match="no preset 'toy'"):
        registry.preset("toy")


@pytest.mark.parametrize("name", ["model.pth", "model.ckpt", "model.safetensors"])
def test_pickle_is_refused_and_convert_named(tmp_path, name):
    torch.save({"a": torch.zeros(2)}, tmp_path / name)
    refused(tmp_path / name, "pickle", "saymask convert")


def test_plain_pickle_is_refused_without_running_it(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was run",))

    (tmp_path / "bomb.safetensors").write_bytes(pickle.dumps(Bomb()))
    refused(tmp_path / "bomb.safetensors", "pickle", "saymask convert")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.5, 0.999])
def test_truncated_file(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * share)])
    refused(saved, "empty" if share == 0 else "cut off", str(saved))


@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_give_a_checkpoint_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        checkpoints.load_model(path)


def test_header_that_promises_too_much(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")
    refused(path, "cut off")


def test_foreign_safetensors(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "x.safetensors")
    refused(tmp_path / "x.safetensors", "no saymask header", "saymask convert")


def rewritten(path, tensors=None, **changes):
    metadata = {**headers.read_metadata(path), **changes}
    if "config" in changes:
        metadata["config_sha256"] = hashlib.sha256(changes["config"].encode()).hexdigest()
    save_file(tensors if tensors is not None else load_file(path), path, metadata)


def test_other_system_and_unknown_preset(saved):
    rewritten(saved, system="martian")
    refused(saved, "belongs to system 'martian'", "this version of saymask has")
    rewritten(saved, system="toy", preset="toy.huge")
    refused(saved, "made from preset 'toy.huge'")
    rewritten(saved, system="less", preset="toy.tiny")
    refused(saved, "damaged", "belongs to 'toy'")


def test_configuration_of_another_version(saved):
    rewritten(saved, config=json.dumps({"colour": 3}))
    refused(saved, "configuration", "'colour'")


def test_shape_mismatch_is_listed(saved):
    tensors = load_file(saved)
    tensors["query.weight"] = torch.zeros(3, 3)
    tensors["surplus"] = torch.zeros(1)
    del tensors["query.bias"]
    rewritten(saved, tensors)
    refused(
        saved, "query.weight: expected [16, 16], got [3, 3]", "query.bias: missing", "surplus: not part of the model"
    )


def test_failed_save_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(OSError, match="No space"):
        checkpoints.save_checkpoint(registry.build("toy.tiny"), saved)
    assert saved.read_bytes() == before
    assert sorted(p.name for p in saved.parent.iterdir()) == ["model.json", "model.safetensors"]


def test_suffix_and_device_are_checked(tmp_path, saved):
    with pytest.raises(InputError, match=r"ends in \.safetensors"):
        checkpoints.save_checkpoint(registry.build("toy.tiny"), tmp_path / "a.pth")
    with pytest.raises(InputError, match="cannot use device 'quantum'"):
        checkpoints.load_model(saved, device="quantum")


def test_embedded_weights_are_found_by_name_and_listed(tmp_path, monkeypatch):
    monkeypatch.setattr(headers, "WEIGHTS", (tmp_path,))
    monkeypatch.setattr(headers, "DEFAULT", "toy.tiny")
    refused(None, "no weights for 'toy.tiny'")
    assert headers.list_models() == []
    checkpoints.save_checkpoint(registry.build("toy.tiny"), tmp_path / "toy.tiny.safetensors", {"data": "boxes"})
    assert checkpoints.load_model().card["preset"] == "toy.tiny"
    assert checkpoints.load_model("toy.tiny").card["data"] == "boxes"
    (card,) = headers.list_models()
    assert (card["name"], card["system"], card["headline"]) == ("toy.tiny", "toy", {})
    assert card["bytes"] == (tmp_path / "toy.tiny.safetensors").stat().st_size


@pytest.fixture
def embedded(tmp_path, monkeypatch):
    """A default that answers all but clicks, and two checkpoints that each answer `refer` too."""
    toy_clicks.register(monkeypatch)
    monkeypatch.setattr(headers, "WEIGHTS", (tmp_path,))
    monkeypatch.setattr(headers, "DEFAULT", "toy.seer")
    for name in ("toy.seer", "toy.pointer", "toy.tiny"):
        checkpoints.save_checkpoint(registry.build(name), tmp_path / f"{name}.safetensors")


def test_checkpoints_are_listed_whatever_was_imported(embedded):
    import saymask.models.base  # from here on `saymask.models` is a module: the list has another name

    assert set(saymask.__all__) <= set(dir(saymask))
    assert all(callable(getattr(saymask, name)) for name in saymask.__all__)
    assert [card["name"] for card in saymask.list_models()] == ["toy.pointer", "toy.seer", "toy.tiny"]


def test_the_default_answers_what_it_can_and_others_the_rest(embedded):
    assert checkpoints.load_model().card["name"] == "toy.seer"
    assert {card["name"]: card["default_for"] for card in headers.list_models()} == {
        "toy.pointer": ["click", "panoptic"], "toy.seer": ["refer", "find", "semantic", "instances"], "toy.tiny": []
    }  # fmt: skip
    assert headers.default_for("find") == "toy.seer"
    assert headers.default_for("click") == "toy.pointer"


def test_a_verb_that_nothing_embedded_answers(embedded):
    headers.embedded()["toy.pointer"].unlink()
    with pytest.raises(InputError, match="answers click; name one with --model"):
        headers.default_for("click")


def test_what_is_in_the_other_distribution_is_known_by_name(monkeypatch):
    package = Path(headers.__file__).parents[1]
    own, models = headers.WEIGHTS
    assert own == package / "weights"
    assert [path.stem for path in own.glob("*.safetensors")] == [headers.DEFAULT]
    assert sorted(path.stem for path in models.glob("*.safetensors")) == list(headers.IN_MODELS)
    monkeypatch.setattr(headers, "WEIGHTS", (own,))
    assert headers.find_checkpoint(headers.DEFAULT) == own / f"{headers.DEFAULT}.safetensors"
    for name in headers.IN_MODELS:
        refused(name, "pip install saymask-models", f"saymask train {name}")
    refused("less.room", "did you mean 'less.rooms'")


def test_the_other_distribution_is_found_where_it_is_installed(tmp_path, monkeypatch):
    installed = tmp_path / "saymask_models"
    installed.mkdir()
    (installed / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(headers, "__file__", str(tmp_path / "saymask" / "hub" / "headers.py"))
    assert headers._folders() == (tmp_path / "saymask" / "weights", installed)
    (installed / "__init__.py").unlink()
    installed.rmdir()
    importlib.invalidate_caches()
    assert headers._folders() == (tmp_path / "saymask" / "weights",)


def test_the_default_is_embedded_and_answers_all():
    cards = {card["name"]: card for card in headers.list_models()}
    assert set(cards[headers.DEFAULT]["default_for"]) == set(VERBS)


def test_every_preset_is_there():
    for name in registry.PRESETS:
        chosen = registry.preset(name)
        assert chosen.name == name
        assert chosen.system in registry.SYSTEMS
        assert from_json(type(chosen.model), json.loads(json.dumps(to_json(chosen.model)))) == chosen.model


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    widths: tuple[int, ...] = (1, 2)
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    parts: tuple[Inner, ...] = ()
    pair: tuple[int, str] = (1, "x")
    limit: int | None = None
    on: bool = True


@given(
    st.builds(
        Outer,
        inner=st.builds(Inner, rate=st.floats(allow_nan=False), widths=st.lists(st.integers()).map(tuple)),
        parts=st.lists(st.builds(Inner)).map(tuple),
        pair=st.tuples(st.integers(), st.text()),
        limit=st.none() | st.integers(),
        on=st.booleans(),
    )
)
def test_configuration_json_round_trip(config):
    again = from_json(Outer, json.loads(json.dumps(to_json(config))))
    assert again == config
    assert fingerprint(again) == fingerprint(config)


def test_override_by_dotted_name():
    changed = override(Outer(), {"inner.widths": "4, 5", "limit": "7", "on": "false", "inner.kind": "b"})
    assert changed == Outer(Inner(widths=(4, 5), kind="b"), limit=7, on=False)
    assert override(changed, {"limit": None}).limit is None
    assert fingerprint(changed) != fingerprint(Outer())
    for changes, message in (
        ({"inner.depth": 1}, "no setting 'inner.depth'"),
        ({"on.off": 1}, "nothing lies below 'off'"),
        ({"inner.kind": "c"}, "expected one of 'a', 'b', got 'c'"),
        ({"limit": "many"}, "limit: expected int, got 'many'"),
        ({"pair": [1]}, "expected 2 values, got 1"),
        ({"on": 3}, "on: expected bool"),
    ):
        with pytest.raises(InputError) as error:
            override(Outer(), changes)
        assert message in str(error.value)


def test_dataclasses_are_the_only_objects():
    with pytest.raises(TypeError):
        to_json(dataclasses.replace(Outer(), limit=object()))  # type: ignore[arg-type]
    assert isinstance(ToyConfig().layers, tuple)


def test_header_length_that_looks_like_a_pickle(tmp_path):
    """A header of 0x380 bytes begins with the two bytes of a pickle of protocol 3."""
    path = checkpoints.save_checkpoint(registry.build("toy.tiny"), tmp_path / "x.safetensors")
    header_size = struct.unpack("<Q", path.read_bytes()[:8])[0]
    content = path.read_bytes()
    length = (header_size // 0x100 + 1) * 0x10000 + 0x380
    padded = content[8 : 8 + header_size] + b" " * (length - header_size)
    path.write_bytes(struct.pack("<Q", length) + padded + content[8 + header_size :])
    assert path.read_bytes()[:2] == b"\x80\x03"
    assert checkpoints.load_model(path).card["preset"] == "toy.tiny"


def test_a_flipped_bit_is_told(saved):
    content = bytearray(saved.read_bytes())
    content[-5] ^= 1  # of the last tensor
    saved.write_bytes(bytes(content))
    refused(saved, "damaged", "checksum", "copy it again")


@pytest.mark.parametrize("name", sorted(headers.embedded()))
def test_shipped_weights_are_those_of_their_cards(name):
    """Both files come from one `save_checkpoint`: ship best.json together with best.safetensors."""
    assert headers.find_checkpoint(name) == headers.embedded()[name]


def test_shipped_weights_that_were_changed_are_refused(tmp_path, monkeypatch, saved):
    monkeypatch.setattr(headers, "WEIGHTS", (saved.parent,))
    assert headers.find_checkpoint("model") == saved
    for spoil in (lambda: saved.write_bytes(saved.read_bytes() + b"x"), saved.with_suffix(".json").unlink):
        spoil()
        headers._as_shipped.cache_clear()
        with pytest.raises(CheckpointError, match=r"model\.safetensors is not what came with saymask.*install it"):
            headers.find_checkpoint("model")
