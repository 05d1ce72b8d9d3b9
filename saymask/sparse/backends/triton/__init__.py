"""The GPU backend: kernel maps as tables, implicit GEMM and segment means in Triton, nothing waited for by a layer."""
