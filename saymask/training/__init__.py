"""Training of presets on prepared data."""
