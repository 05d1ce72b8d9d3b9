"""In which range colours are written: bytes, 0..1, −1..1, 0..255 as floats, 16 bits; and to bytes from any of them."""

import numpy as np

_SAMPLE = 200_000


def to_uint8(rgb: np.ndarray, messages: list[str] | None = None) -> np.ndarray:
    """Return colours as uint8 [n, 3] from [n, 3 or more] in any usual range; NaN becomes 128.

    Floats are 0..1 (a few values beyond it are cut), −1..1 where many are negative (as networks normalise them), or
    0..255; numbers that go beyond are 16-bit. Whatever is not plain is added to `messages`.
    """
    rgb = rgb[:, :3]
    if rgb.dtype == np.uint8:
        return np.ascontiguousarray(rgb)
    if rgb.dtype == np.int8:  # bytes under the wrong name
        return np.ascontiguousarray(rgb).view(np.uint8)
    if rgb.dtype == np.bool_:
        return rgb.astype(np.uint8) * np.uint8(255)
    scale, offset, said = _range(rgb)
    if rgb.dtype == np.uint16 and not offset:  # in whole numbers, without arrays of floats
        return ((rgb.astype(np.uint32) * 255 + 32767) // 65535 if scale != 1.0 else rgb).astype(np.uint8)
    if said and messages is not None:
        messages.append(said)
    values = np.asarray(rgb, np.float64 if rgb.dtype != np.float32 else np.float32) * scale + offset
    if rgb.dtype.kind == "f":
        unknown = ~np.isfinite(values)
        if unknown.any():
            rows = int(unknown.any(1).sum())
            if messages is not None and rows < len(rgb):
                messages.append(f"{rows:,} points have no colour in the file: they are grey")
            values[unknown] = 128.0
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _range(rgb: np.ndarray) -> tuple[float, float, str]:
    """Return the factor and the offset that lead to 0..255, and what to say about them ("" for what is plain)."""
    some = rgb[:: max(1, len(rgb) // _SAMPLE)].ravel()
    some = some[np.isfinite(some)] if rgb.dtype.kind == "f" else some
    if not some.size:
        return 1.0, 0.0, ""
    if rgb.dtype.kind != "f":
        return (1.0, 0.0, "") if int(rgb.max()) <= 255 else (255.0 / 65535.0, 0.0, "")
    top = float(np.max(rgb, initial=-np.inf, where=np.isfinite(rgb)))
    low, high = (float(v) for v in np.quantile(some, [0.01, 0.99]))
    if low < -0.1 and high <= 1.1:
        return 127.5, 127.5, "colours are written in −1..1: taken to 0..255"
    whole = bool((some == np.rint(some)).all())
    if top <= 1.0 or (high <= 1.1 and not (whole and top > 2)):
        return 255.0, 0.0, "" if top <= 1.001 else f"colours in 0..1 go up to {top:.3g}: cut at 1"
    if high <= 260.0 and not (whole and top > 1000):
        return 1.0, 0.0, "" if top <= 255.5 else f"colours in 0..255 go up to {top:.4g}: cut at 255"
    return 255.0 / 65535.0, 0.0, ""
