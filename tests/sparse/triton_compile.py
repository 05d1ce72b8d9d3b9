"""Compile every Triton kernel for GPUs that are not there: `python -m tests.sparse.triton_compile [--all] [80 90 …]`.

Prints a line for each capability, kernel and type: bytes of machine code and of memory on the chip. `--all` compiles
all tiles that are tried on a GPU, not only the likeliest.
"""

import inspect
import sys
from collections.abc import Iterator
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from saymask.sparse.backends.triton import kernels
from saymask.sparse.backends.triton.tuning import Problem, candidates

ROWS = {"x_row", "grad_row", "residual_row", "raw_row", "act_row", "extra_row", "weight_tap", "weight_in", "weight_out"}
SIZES = {"n_in", "n_out", "c_in", "c_out", "c", "most"}
WHOLE = {"table", "order", "offsets", "counts", "tiles"}
LONG = {"in_keys", "out_keys", "starts"}
STEPS = {"first", "along_x", "along_y", "along_z"}
TYPES = {"fp32": "torch.float32", "fp16": "torch.float16", "bf16": "torch.bfloat16"}


def variants(most: int | None) -> Iterator[tuple[str, Any, dict[str, str], dict[str, Any], dict[str, int]]]:
    """Yield (name, kernel, types of pointers that differ, constants, options)."""
    for run in (1, 3):
        yield f"neighbours {run}", kernels.neighbours, {}, {"SIDE": 3, "RUN": run, "HALVINGS": 17, "BLOCK": 128}, {}
    for half in TYPES:
        for precision in ("ieee", "tf32") if half == "fp32" else ("ieee",):
            common = {"VOLUME": 27, "PRECISION": precision, "WIDEN": False}
            for tiles in candidates(Problem("forward", 96, 96, 27, 100_000, TYPES[half], precision))[:most]:
                options = {"num_warps": tiles.warps, "num_stages": tiles.stages}
                sizes = {"ROWS": tiles.rows, "OUT": tiles.outs, "IN": tiles.ins}
                kinds = {"x": half, "weight": half, "raw": half, "act": half}
                bare = dict.fromkeys(
                    ("residual", "act", "act_scale", "act_shift", "extra", "extra_scale", "extra_shift")
                )
                name = f"convolve {half} {precision} {tiles.rows}x{tiles.outs}x{tiles.ins}"
                yield name, kernels.convolve, kinds, common | sizes | bare, options
                yield f"{name} epilogue", kernels.convolve, kinds | {"raw": "fp32"}, common | sizes, options
            for tiles in candidates(Problem("weight", 96, 96, 27, 100_000, TYPES[half], precision))[:most]:
                options = {"num_warps": tiles.warps, "num_stages": tiles.stages}
                sizes = {"ROWS": tiles.rows, "OUT": tiles.outs, "IN": tiles.ins, "SPLITS": 8}
                name = f"weight_gradient {half} {precision} {tiles.rows}x{tiles.outs}x{tiles.ins}"
                yield name, kernels.weight_gradient, {"x": half, "grad": half}, common | sizes, options
        yield f"segment_means {half}", kernels.segment_means, {"values": half}, {"BLOCK": 32, "CHANNELS": 32}, {}


def compiled(
    kernel: Any, kinds: dict[str, str], constants: dict[str, Any], options: dict[str, int], target: Any
) -> Any:
    """Compile a kernel with the argument types that the backend gives it."""
    signature = {}
    for name in inspect.signature(kernel.fn).parameters:
        if name in constants:
            signature[name] = "constexpr"
        elif name in SIZES | ROWS:
            signature[name] = "i32"
        elif name in STEPS:
            signature[name] = "i64"
        elif name in WHOLE and not (kernel is kernels.segment_means and name == "order"):
            signature[name] = "*i32"
        elif name in LONG or name == "order":
            signature[name] = "*i64"
        else:
            signature[name] = f"*{kinds.get(name, 'fp32')}"
    return triton.compile(ASTSource(kernel, signature, constants), target=target, options=options)


def main(capabilities: list[int], most: int | None) -> None:
    for capability in capabilities:
        for name, kernel, kinds, constants, options in variants(most):
            made = compiled(kernel, kinds, constants, options, GPUTarget("cuda", capability, 32))
            print(
                f"sm_{capability} {name}: {len(made.asm['cubin'])} bytes, {made.metadata.shared} on the chip",
                flush=True,
            )


if __name__ == "__main__":
    given = sys.argv[1:]
    main([int(argument) for argument in given if argument != "--all"] or [80, 90], None if "--all" in given else 1)
