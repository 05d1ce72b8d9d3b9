"""The harness that measures speed: figures, clocks, limits of the machine, inputs, `cases/`, and the report."""
