"""The cases of `python -m benchmarks`: a file each, whose `measure(effort)` returns figures.

The first line of a case's docstring is its title in the report, the rest is printed below it.
"""

CASES = (
    "command",
    "reading",
    "superpoints",
    "unet",
    "res16unet",
    "prompts",
    "scaling",
    "collection",
    "training",
    "evaluation",
    "scoring",
    "service",
)
"""In the order of the report."""
