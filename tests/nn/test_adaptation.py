"""Norm statistics of the scan itself: what they are, that they stay with the scan, and who cannot have them."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from saymask.errors import InputError
from saymask.nn.adaptation import TURNS, adapted, turned_views
from tests.models.fakes import small_scan
from tests.models.uniseg3d.test_model import scan_of, tiny


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SAYMASK_CACHE", str(tmp_path))


class Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, momentum=0.3))
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


def test_means_and_variances_are_mixed_and_the_model_stays():
    model = Normed().eval()
    model.body[1].running_mean.fill_(2.0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    batches = [torch.randn(50, 3), torch.randn(70, 3) + 1]
    found = adapted(model, 0.25, batches, lambda m, x: m(x))
    hidden = [model.body[0](x) for x in batches]
    own_mean = torch.stack([h.mean(0) for h in hidden]).mean(0)
    own_var = torch.stack([h.var(0) for h in hidden]).mean(0)
    torch.testing.assert_close(found.body[1].running_mean, 0.75 * 2 + 0.25 * own_mean)
    torch.testing.assert_close(found.body[1].running_var, 0.75 + 0.25 * own_var)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    assert not found.body.training
    assert found.body[1].momentum == 0.3
    assert found.head is model.head
    assert found.body[0].weight is model.body[0].weight


def test_a_model_without_norms_is_refused():
    with pytest.raises(InputError, match="no batch norms"):
        adapted(nn.Sequential(nn.Linear(3, 3)), 0.5, [torch.randn(5, 3)], lambda m, x: m(x))


def test_views_are_turns_of_the_scan_however_many_are_seen_together():
    scan = small_scan(0, 500)
    views = [view for together in turned_views(scan) for view in together]
    assert len(views) == TURNS
    for view in views:
        np.testing.assert_allclose(view.points[:, 2], scan.points[:, 2])
        np.testing.assert_allclose(
            np.linalg.norm(view.points[:, :2], axis=1), np.linalg.norm(scan.points[:, :2], axis=1), atol=1e-5
        )
    assert len({float(view.points[0, 0]) for view in views}) == TURNS
    large = replace(scan, points=np.repeat(scan.points, 1000, 0), colors=np.repeat(scan.colors, 1000, 0), labels={},
                    superpoints=None, normals=None, faces=None)  # fmt: skip
    assert [len(together) for together in turned_views(large)] == [1] * TURNS


def test_a_scene_is_encoded_with_its_own_statistics_and_the_next_one_is_not():
    model, scan = tiny(), scan_of()
    plain = model.encode(scan)
    bright = replace(scan, colors=np.minimum(255, scan.colors.astype(int) // 2 + 120).astype(np.uint8))
    other = model.encode(bright, adapt=1.0)
    again = model.encode(scan)
    memory = [scene._encoded.only().memory.features for scene in (plain, other, again, model.encode(bright))]
    torch.testing.assert_close(memory[0], memory[2], rtol=0, atol=0)
    assert not torch.allclose(memory[1], memory[3], atol=1e-3)
    assert "adapt" in other.seconds
    assert "adapt" not in plain.seconds
    same = model.encode(bright, adapt=0.0)._encoded.only().memory.features
    torch.testing.assert_close(same, memory[3], rtol=0, atol=0)


def test_the_fused_path_uses_the_adapted_statistics():
    model, scan = tiny(), scan_of()
    own = model.adapted(scan, 0.7)
    batch = model.collate([model.prepare(scan)])
    with torch.inference_mode():
        fused = torch.cat(own.features(batch))
    layers = torch.cat(own.features(batch))  # gradients are on: layer by layer
    torch.testing.assert_close(fused, layers.detach(), rtol=1e-3, atol=1e-4)
    with torch.inference_mode():
        assert not torch.allclose(fused, torch.cat(model.features(batch)), atol=1e-3)


def test_the_configuration_decides_and_a_call_overrides():
    scan = scan_of()
    model = tiny(adapt=0.5)
    assert model.adapted(scan) is not model
    assert model.adapted(scan, 0.0) is model
    assert tiny().adapted(scan) is not None
    for wrong in (-0.1, 1.1, True, "much"):
        with pytest.raises(InputError, match="adapt: expected a weight"):
            model.encode(scan, adapt=wrong)  # type: ignore[arg-type]


def test_threads_do_not_see_each_other():
    model = tiny()
    scans = [scan_of(seed) for seed in range(3)]
    alone = [model.encode(scan, adapt=0.5)._encoded.only().memory.features for scan in scans]
    found: dict[int, torch.Tensor] = {}

    def work(k: int) -> None:
        found[k] = model.encode(scans[k], adapt=0.5)._encoded.only().memory.features

    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, value in enumerate(alone):
        torch.testing.assert_close(found[k], value, rtol=1e-5, atol=1e-5)
