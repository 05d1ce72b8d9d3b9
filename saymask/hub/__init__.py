"""Names to models: presets, checkpoints, cards and embedded weights."""
