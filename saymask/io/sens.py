"""ScanNet's `.sens` files (version 4): colour, depth and pose of every frame of a recording, read frame by frame.

Layout, little-endian: uint32 version; uint64 length and text, the sensor's name; four float32 4x4 matrices (colour
intrinsics and extrinsics, depth intrinsics and extrinsics); int32 colour and depth compression; uint32 colour width and
height, depth width and height; float32 depth shift (units per metre); uint64 number of frames; then per frame 16
float32 (camera to scan), two uint64 time stamps, uint64 bytes of colour, uint64 bytes of depth, and the two blobs.
"""

import os
import struct
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from saymask.errors import InputError
from saymask.io.images import read_rgb

VERSION = 4
_COLOR = {0: "raw", 1: "png", 2: "jpeg"}
_DEPTH = {0: "raw", 1: "zlib"}
_FRAME = struct.Struct("<16f4Q")
_LONGEST_NAME = 4096
_LARGEST_SIDE = 32_768


@dataclass(frozen=True)
class SensHeader:
    """What a `.sens` file says about its sensor."""

    sensor: str
    color_intrinsics: np.ndarray  # float64 [4, 4]
    color_extrinsics: np.ndarray  # float64 [4, 4]
    depth_intrinsics: np.ndarray  # float64 [4, 4]
    depth_extrinsics: np.ndarray  # float64 [4, 4]
    color_format: str
    """raw, png or jpeg."""
    depth_format: str
    """raw or zlib."""
    color_size: tuple[int, int]
    """Width and height."""
    depth_size: tuple[int, int]
    depth_shift: float
    """Depth units per metre."""
    frames: int
    """Frames that the file should have."""


@dataclass(frozen=True)
class _Entry:
    pose: np.ndarray  # float64 [4, 4]
    start: int
    color_bytes: int
    depth_bytes: int


class SensFile:
    """An open `.sens` file; frames are read when they are asked for, by several threads if need be.

    `len(file)` is the number of whole frames; a truncated file keeps those and says so in `messages`. Raises InputError
    for a file that is no `.sens`, of another version, or without one whole frame.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.messages: tuple[str, ...] = ()
        self._lock = threading.Lock()
        try:
            # Open as long as the object is: close() ends it.
            self._file: BinaryIO = open(self.path, "rb")  # noqa: SIM115
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read: {error.strerror or error}") from None
        try:
            self._size = os.fstat(self._file.fileno()).st_size
            self.header = self._read_header()
            self._entries = self._read_entries()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "SensFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._entries)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def pose(self, i: int) -> np.ndarray:
        """Return float64 [4, 4], camera to scan; infinite where the tracking was lost."""
        return self._entries[i].pose

    def color_bytes(self, i: int) -> bytes:
        """Return the colour image of frame i as it is stored."""
        entry = self._entries[i]
        return self._read(entry.start, entry.color_bytes, i)

    def color(self, i: int) -> np.ndarray:
        """Return uint8 [H, W, 3], the colour image of frame i."""
        data, (width, height) = self.color_bytes(i), self.header.color_size
        if self.header.color_format != "raw":
            return read_rgb(data, f"{self.path}: frame {i}: colour")
        if len(data) != width * height * 3:
            raise InputError(
                f"{self.path}: frame {i}: colour: expected {width * height * 3:,} bytes of a {width} x {height} image, "
                f"got {len(data):,}"
            )
        return np.frombuffer(data, np.uint8).reshape(height, width, 3)

    def depth(self, i: int) -> np.ndarray:
        """Return float32 [H, W], the depth of frame i in metres; 0 = not measured."""
        entry = self._entries[i]
        data = self._read(entry.start + entry.color_bytes, entry.depth_bytes, i)
        width, height = self.header.depth_size
        expected = width * height * 2
        if self.header.depth_format == "zlib":
            try:
                # One byte more than expected is enough to see that there is too much.
                data = zlib.decompressobj().decompress(data, expected + 1)
            except zlib.error as error:
                raise InputError(f"{self.path}: frame {i}: depth cannot be unpacked: {error}") from None
        if len(data) != expected:
            raise InputError(
                f"{self.path}: frame {i}: depth: expected {expected:,} bytes of a {width} x {height} image, "
                f"got {'more' if len(data) > expected else f'{len(data):,}'}"
            )
        values = np.frombuffer(data, "<u2").reshape(height, width)
        return values.astype(np.float32) / np.float32(self.header.depth_shift)

    def _read(self, start: int, size: int, i: int) -> bytes:
        with self._lock:
            self._file.seek(start)
            data = self._file.read(size)
        if len(data) != size:
            raise InputError(f"{self.path}: frame {i}: expected {size:,} bytes, got {len(data):,}; was the file cut?")
        return data

    def _read_header(self) -> SensHeader:
        (version,) = self._numbers("<I", "version")
        if version != VERSION:
            raise InputError(f"{self.path}: expected a .sens file of version {VERSION}, got version {version}")
        (length,) = self._numbers("<Q", "sensor name")
        if length > _LONGEST_NAME:
            raise InputError(
                f"{self.path}: expected a sensor name of a few letters, got {length:,}; is it a .sens file?"
            )
        sensor = self._exactly(length, "sensor name").decode("utf-8", "replace")
        matrices = [np.array(self._numbers("<16f", "calibration"), np.float64).reshape(4, 4) for _ in range(4)]
        color_format, depth_format = self._numbers("<2i", "compression")
        sizes = self._numbers("<4I", "image sizes")
        (shift,) = self._numbers("<f", "depth shift")
        (frames,) = self._numbers("<Q", "number of frames")
        if color_format not in _COLOR:
            raise InputError(f"{self.path}: expected colour compression 0, 1 or 2 (raw, png, jpeg), got {color_format}")
        if depth_format not in _DEPTH:
            raise InputError(f"{self.path}: expected depth compression 0 or 1 (raw, zlib), got {depth_format}")
        if not (all(0 < side <= _LARGEST_SIDE for side in sizes) and np.isfinite(shift) and shift > 0):
            raise InputError(f"{self.path}: expected image sizes and a depth shift above 0, got {sizes} and {shift}")
        return SensHeader(
            sensor,
            *matrices,
            color_format=_COLOR[color_format],
            depth_format=_DEPTH[depth_format],
            color_size=(sizes[0], sizes[1]),
            depth_size=(sizes[2], sizes[3]),
            depth_shift=shift,
            frames=frames,
        )

    def _read_entries(self) -> list[_Entry]:
        """Walk over the headers of the frames; their images are skipped."""
        entries: list[_Entry] = []
        at = self._file.tell()
        while len(entries) < self.header.frames:
            self._file.seek(at)
            data = self._file.read(_FRAME.size)
            if len(data) < _FRAME.size:
                break
            *pose, _, _, color, depth = _FRAME.unpack(data)
            start = at + _FRAME.size
            at = start + color + depth
            if at > self._size:
                break
            entries.append(_Entry(np.array(pose, np.float64).reshape(4, 4), start, color, depth))
        said = self.header.frames
        if not entries:
            raise InputError(
                f"{self.path}: expected at least one whole frame, got none of {said:,}; download the file again"
            )
        if len(entries) < said:
            self.messages = (f"the file is cut short: {len(entries):,} of {said:,} frames are whole and are used",)
        return entries

    def _numbers(self, layout: str, what: str) -> tuple:
        return struct.unpack(layout, self._exactly(struct.calcsize(layout), what))

    def _exactly(self, size: int, what: str) -> bytes:
        data = self._file.read(size)
        if len(data) != size:
            raise InputError(f"{self.path}: expected a .sens file, it ends within its header ({what})")
        return data
