"""Measurements: the speed of everything (`python -m benchmarks`, in `speed/`), and studies that each need data.

A study is a module of its own (`python -m benchmarks.foreign --help`): `foreign`, `row`, `reliability`, `long_tail`,
`cfnet_ablation`, `parser_agreement`, `scan_statistics`, `up_axis`, `memory`.
"""
