"""The Triton backend against the reference; `test_triton` runs this file on CUDA or in Triton's interpreter."""

import dataclasses

import pytest
import torch
from torch.utils._python_dispatch import _disable_current_modes
from triton.runtime.interpreter import GridExecutor

from saymask.errors import InputError
from saymask.nn.res16unet.network import res16unet
from saymask.nn.unet.network import SparseUNet
from saymask.sparse import build_map, build_sites, pool_mean, sparse_conv, use_backend
from saymask.sparse.backends import reference
from saymask.sparse.backends.epilogue import Epilogue
from saymask.sparse.backends.triton import kernels, ops, tuning
from saymask.sparse.backends.triton.plan import plan_of
from saymask.sparse.backends.triton.tuning import Problem, Tiles, candidates, fastest
from tests.emulated_cuda import emulated_cuda, host_of
from tests.sparse.helpers import some_sites

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SITES = {
    "none": some_sites(0),
    "one": torch.tensor([[0, -60000, 5, 1000]], dtype=torch.int32),
    "two scenes, negative": some_sites(60, 3),
    "far apart": some_sites(25, 4000),
    "several tiles": some_sites(150, 4),
}
TOLERANCE = {torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 2e-2}


@pytest.fixture(params=SITES)
def coords(request):
    return SITES[request.param].to(DEVICE)


def _pyramids(coords, levels=3):
    """The same pyramid as the Triton backend and as the reference builds it."""
    with use_backend("triton"):
        ours = build_sites(coords, levels).build_maps()
    with use_backend("torch"):
        return ours, build_sites(coords, levels).build_maps()


def _maps(pyramid):
    for level in pyramid.levels:
        yield level.kernel_map()
        if level.parent is not None:
            yield from (level.down, level.up)


def _same_map(ours, other):
    assert (ours.n_in, ours.n_out, ours.volume) == (other.n_in, other.n_out, other.volume)
    assert ours.starts == other.starts
    assert torch.equal(ours.in_rows, other.in_rows)
    assert torch.equal(ours.out_rows, other.out_rows)
    assert torch.equal(ours.table, other.table)


def _close(ours, other, scale=1.0):
    """Compare with the rounding of the type, relative to the largest value."""
    assert ours.dtype == other.dtype
    error = (ours.double() - other.double()).abs().max() if ours.numel() else torch.zeros(())
    assert error <= scale * TOLERANCE[ours.dtype] * max(
        1.0, float(other.detach().double().abs().max()) if len(other) else 1.0
    )


def test_pyramids_and_maps(coords):
    ours, other = _pyramids(coords)
    assert torch.equal(ours.order, other.order)
    for a, b in zip(ours.levels, other.levels):
        assert torch.equal(a.keys, b.keys)
        if b.parent is not None:
            assert a.n_coarse == b.n_coarse
            assert torch.equal(a.parent, b.parent)
            assert torch.equal(a.tap, b.tap)
    for a, b in zip(_maps(ours), _maps(other)):
        _same_map(a, b)
        _same_map(a.transposed, b.transposed)


def test_odd_extents_and_bad_coordinates():
    coords = torch.tensor([[0, x, y, 0] for x in range(5) for y in range(2)], dtype=torch.int32, device=DEVICE)
    levels = []
    for backend in ("triton", "torch"):
        with use_backend(backend):
            levels.append(build_sites(coords, 2, spatial_shape=(5, 2, 2)).levels)
    for a, b in zip(*levels):
        assert torch.equal(a.keys, b.keys)
    assert (levels[0][0].parent == -1).sum() == 2
    _same_map(levels[0][0].down, levels[1][0].down)
    with use_backend("triton"):
        with pytest.raises(InputError, match="not unique"):
            build_sites(coords[[0, 3, 0]], 2)
        with pytest.raises(InputError, match="within"):
            build_sites(coords * 20_000, 2)
        with pytest.raises(InputError, match="batch"):
            build_sites(coords - torch.tensor([1, 0, 0, 0], device=DEVICE), 2)


@pytest.mark.parametrize(("size", "step"), [(1, 1), (2, 1), (2, 4), (3, 2), (5, 1)])
def test_general_maps(size, step):
    ins, outs = (_pyramids(some_sites(70, 4, seed).to(DEVICE), 1)[0].levels[0].keys for seed in (1, 2))
    for a, b in ((ins, outs), (ins, ins)):
        ours = build_map(a, b, size, step=step, backend="triton")
        other = build_map(a, b, size, step=step, backend="torch")
        _same_map(ours, other)
        _same_map(ours.transposed, other.transposed)


def _values(kernel_map, cin, cout, dtype=torch.float32):
    x = torch.randn(kernel_map.n_in, cin, device=DEVICE).to(dtype)
    w = (torch.randn(kernel_map.volume, cin, cout, device=DEVICE) / (4 * cin) ** 0.5).to(dtype)
    return x, w, torch.randn(kernel_map.n_out, cout, device=DEVICE).to(dtype)


def _gradients(kernel_map, values, backend):
    x, w, g = values
    x, w = x.clone().requires_grad_(), w.clone().requires_grad_()
    y = sparse_conv(x, w, kernel_map, backend=backend)
    return y.detach(), *torch.autograd.grad(y, (x, w), g)


@pytest.mark.parametrize(("cin", "cout"), [(6, 17), (33, 8)])
def test_values_and_gradients(coords, cin, cout):
    for kernel_map in _maps(_pyramids(coords, 2)[0]):
        values = _values(kernel_map, cin, cout)
        for ours, other in zip(_gradients(kernel_map, values, "triton"), _gradients(kernel_map, values, "torch")):
            _close(ours, other)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_summed_in_float32(dtype):
    pyramid = _pyramids(SITES["several tiles"].to(DEVICE), 2)[0]
    for kernel_map in (pyramid.levels[0].kernel_map(), pyramid.levels[0].down):
        values = _values(kernel_map, 24, 40, dtype)
        exact = _gradients(kernel_map, [v.float() for v in values], "torch")
        for ours, other in zip(_gradients(kernel_map, values, "triton"), exact):
            _close(ours, other.to(dtype))


def test_all_tiles_give_the_same():
    kernel_map = _pyramids(some_sites(80, 4).to(DEVICE), 2)[0].levels[0].down
    x, w, g = _values(kernel_map, 40, 72)
    expected = reference.conv(x, w, kernel_map), reference.weight_gradient(x, g, kernel_map)
    for kind, wanted in zip(("forward", "weight"), expected):
        choices = candidates(Problem(kind, 40, 72, 8, kernel_map.n_out, "torch.float32", "ieee"))
        assert len(choices) > 1
        for tiles in choices:
            if kind == "forward":
                got = torch.empty(kernel_map.n_out, 72, device=DEVICE)
                ops._convolve(x, w, 72, kernel_map, Epilogue(raw=got), tiles)
            else:
                got = ops._weight_gradient(x, g, kernel_map, tiles)
            _close(got, wanted)


def test_rows_of_a_tile_share_offsets():
    kernel_map = _pyramids(some_sites(900, 8).to(DEVICE), 1)[0].levels[0].kernel_map()
    plan = plan_of(kernel_map, 32)
    assert plan_of(kernel_map, 32) is plan
    table = kernel_map.table.T
    assert torch.equal(plan.order.sort().values, torch.arange(kernel_map.n_out, device=DEVICE, dtype=torch.int32))
    assert torch.equal(plan.table, table[:, plan.order.long()])
    visits = 0
    for tile, count in enumerate(plan.offset_counts.tolist()):
        rows = plan.table[:, tile * 32 : (tile + 1) * 32]
        there = (rows >= 0).any(1).nonzero()[:, 0].tolist()
        assert plan.offsets[tile, :count].tolist() == there
        visits += count
        for k in there:
            assert tile in plan.tiles[k, : plan.tile_counts[k]].tolist()
    assert int(plan.tile_counts.sum()) == visits
    unsorted = torch.nn.functional.pad(table >= 0, (0, -table.shape[1] % 32)).view(27, -1, 32).any(2).sum()
    assert visits < 0.9 * int(unsorted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_epilogue(dtype):
    kernel_map = _pyramids(SITES["several tiles"].to(DEVICE), 1)[0].levels[0].kernel_map()
    x, w, residual = _values(kernel_map, 16, 20)
    x, w = x.to(dtype), w.to(dtype)
    (scale, shift), (more, rest) = torch.randn(2, 2, 20, device=DEVICE)
    sums = reference.conv(x.float(), w.float(), kernel_map) + residual
    wide = torch.zeros(len(x), 50, device=DEVICE, dtype=dtype)
    raw = residual.clone()  # in place: a row's residual is read before it is written
    extra = torch.empty(len(x), 20, device=DEVICE)
    ops.run(
        x, ops.pack_weight(w, dtype), 20, kernel_map,
        Epilogue(raw, raw, wide[:, 24:44], scale, shift, extra, more, rest),
    )  # fmt: skip
    _close(raw, sums)
    _close(wide[:, 24:44], (sums * scale + shift).relu().to(dtype))
    _close(extra, (sums * more + rest).relu())
    assert not wide[:, :24].any()
    assert not wide[:, 44:].any()


@pytest.mark.parametrize("weighted", [False, True])
def test_pool_mean(weighted):
    values = torch.randn(90, 19, device=DEVICE, requires_grad=True)
    index = torch.randint(-1, 12, (90,), device=DEVICE)
    index[index == 4] = 5  # one without rows
    index[:40] = 7  # one of several blocks
    # A weight near 0 would make a large gradient of rounding: a mean does not depend on the weight of its only row.
    weight = (0.1 + torch.rand(90, device=DEVICE)).requires_grad_() if weighted else None
    if weight is not None:
        with torch.no_grad():
            weight[index == 3] = 0
    inputs = (values,) if weight is None else (values, weight)
    found = []
    for backend in ("triton", "torch"):
        with use_backend(backend):
            means = pool_mean(values, index, 13, weight)
        found.append((means.detach(), *torch.autograd.grad(means, inputs, torch.ones_like(means).cumsum(0))))
    for ours, other in zip(*found):
        _close(ours, other)
    with use_backend("triton"):
        if DEVICE == "cpu":  # a CUDA device would stop for good
            with pytest.raises(RuntimeError, match="index"):
                pool_mean(values, index, 3)
        assert pool_mean(values[:0], index[:0], 2).tolist() == torch.zeros(2, 19).tolist()
        half = pool_mean(values.half(), index, 13)
        _close(half, found[1][0].half() if weight is None else pool_mean(values, index, 13).half())


@pytest.mark.parametrize("name", ["unet", "res16"])
def test_networks_fused_and_layer_by_layer(name):
    pyramid = _pyramids(some_sites(60, 12).to(DEVICE), 5)[0]
    if name == "unet":
        net, channels = SparseUNet(6, (16, 24, 32), 1), 6
    else:
        net, channels = res16unet("14A", 4, planes=(8, 16, 16, 16, 16, 16, 16, 16), stem=8), 3
    net = net.to(DEVICE).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    x = torch.randn(len(pyramid), channels, device=DEVICE)

    def output():
        out = net(x, pyramid)
        return out if name == "unet" else out.logits

    with use_backend("torch"):
        expected = output().detach()
    with use_backend("triton"):
        _close(output().detach(), expected, 10)  # layer by layer
        with torch.no_grad():
            _close(output(), expected, 10)  # fused


def test_what_is_not_served_goes_to_the_reference():
    kernel_map = _pyramids(SITES["two scenes, negative"].to(DEVICE), 1)[0].levels[0].kernel_map()
    x, w, g = (v.double() for v in _values(kernel_map, 3, 4))
    assert torch.equal(ops.conv(x, w, kernel_map), reference.conv(x, w, kernel_map))
    assert torch.equal(ops.weight_gradient(x, g, kernel_map), reference.weight_gradient(x, g, kernel_map))
    assert ops.conv(x[:, :0].float(), w[:, :0].float(), kernel_map).tolist() == torch.zeros(len(x), 4).tolist()


def test_no_layer_waits_for_the_device(monkeypatch):
    """A forward and a backward pass over known sites bring no number to the host."""
    pyramid = _pyramids(SITES["two scenes, negative"].to(DEVICE), 2)[0]
    net = SparseUNet(6, (16, 16), 1).to(DEVICE)
    x = torch.randn(len(pyramid), 6, device=DEVICE)
    rows = torch.arange(len(pyramid), device=DEVICE) // 4
    if DEVICE == "cuda":  # tiles and compiled kernels are known afterwards
        with use_backend("triton"):
            net(x, pyramid).sum().backward()
    with use_backend("torch"):
        fresh = build_sites(SITES["two scenes, negative"].to(DEVICE), 2)
    for name in ("item", "tolist", "nonzero", "__bool__", "__int__", "__float__"):
        monkeypatch.setattr(torch.Tensor, name, lambda self, *_, name=name: pytest.fail(f"{name} waits for the device"))
    if DEVICE == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        with use_backend("triton"):
            fresh = dataclasses.replace(fresh, levels=tuple(dataclasses.replace(v, _cache={}) for v in fresh.levels))
            out = pool_mean(net(x, fresh.build_maps()), rows, len(pyramid))
            out.sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default") if DEVICE == "cuda" else None


@pytest.mark.skipif(DEVICE == "cuda", reason="a real device refuses by itself")
@pytest.mark.parametrize("name", ["unet", "res16"])
def test_kernels_get_tensors_of_the_device_only(name, monkeypatch):
    """The interpreter would take those of the CPU, too, such as a default that nobody moved."""
    launch, launched = GridExecutor.__call__, 0

    def checked(kernel, *args, **kwargs):
        nonlocal launched
        launched += 1
        assert all(t.is_cuda for t in (*args, *kwargs.values()) if isinstance(t, torch.Tensor)), kernel.fn
        with _disable_current_modes(), torch._C.DisableTorchFunction():
            launch(kernel, *map(host_of, args), **{key: host_of(value) for key, value in kwargs.items()})

    monkeypatch.setattr(GridExecutor, "__call__", checked)
    net, channels = SparseUNet(6, (16, 24), 1), 6
    if name == "res16":
        net, channels = res16unet("14A", 4, planes=(8, 16, 16, 16, 16, 16, 16, 16), stem=8), 3
    with emulated_cuda(), use_backend("triton"):
        pyramid, net = build_sites(some_sites(40, 8).to("cuda"), 5 if name == "res16" else 2), net.to("cuda")
        x, rows = torch.randn(len(pyramid), channels, device="cuda"), torch.arange(len(pyramid), device="cuda") // 4

        def output():
            out = net(x, pyramid)
            return pool_mean(out if name == "unet" else out.logits, rows, len(pyramid))

        output().square().sum().backward()
        assert all(p.grad is None or p.grad.is_cuda for p in net.parameters())
        with torch.no_grad():
            net.eval()
            assert output().is_cuda  # fused
    assert launched > 10


def test_the_fastest_tiles_that_fit_are_taken():
    choices = [Tiles(rows, 16, 16, 4, 2) for rows in (16, 32, 64)]
    times = {16: 3.0, 32: 1.0, 64: 2.0}
    ran = []

    def measure(run):
        run()
        return times[ran[-1].rows]

    assert fastest(choices, ran.append, measure) == choices[1]
    assert ran == choices

    def too_large(tiles):
        ran.append(tiles)
        if tiles.rows != 64:
            raise tuning._TRITON.runtime.errors.OutOfResources(1, 0, "shared memory")

    assert fastest(choices, too_large, measure) == choices[2]
    with pytest.raises(InputError, match="no tile"):
        fastest(choices[:2], too_large, measure)


def test_tiles_are_remembered(monkeypatch, tmp_path):
    monkeypatch.setenv("SAYMASK_CACHE", str(tmp_path))
    monkeypatch.setattr(tuning, "INTERPRETED", False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A/B 100")
    monkeypatch.setattr(tuning, "_milliseconds", lambda run: float(asked.append(1) or len(asked)))
    tuning._known.cache_clear()
    asked: list[int] = []
    problem = Problem("forward", 32, 64, 27, 1000, "torch.float32", "ieee")
    first = tuning.tiles_for(problem, lambda: lambda tiles: None)
    assert len(asked) == len(candidates(problem))
    for again in (problem, dataclasses.replace(problem, rows=1023)):  # the same bucket
        assert tuning.tiles_for(again, lambda: pytest.fail("measured again")) == first
    tuning._known.cache_clear()  # as in another process
    assert tuning.tiles_for(problem, lambda: pytest.fail("measured again")) == first
    (file,) = (tmp_path / "tiles").iterdir()
    file.write_text("[1]")
    tuning._known.cache_clear()
    assert tuning.tiles_for(dataclasses.replace(problem, c_in=8), lambda: lambda tiles: None)
    assert len(asked) > len(candidates(problem))
    tuning._known.cache_clear()


def test_kernels_are_interpreted_without_a_device():
    assert (DEVICE == "cpu") == tuning.INTERPRETED
    assert type(kernels.convolve).__name__ == ("InterpretedFunction" if DEVICE == "cpu" else "JITFunction")
