"""Mutations of files: bytes, numbers, header words, and members of zip, JSON, GLB, safetensors, gzip containers."""

import gzip
import hashlib
import io
import json
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

from tests.fuzz.seeds import Files, glb_of

NUMBERS = [
    "0", "-1", "1", "2", "7", "-0", "255", "256", "65535", "65536", "2147483647", "2147483648", "-2147483649",
    "4294967295", "4294967296", "1000000000", "1000000000000", "9223372036854775807", "9223372036854775808",
    "18446744073709551616", "9" * 40, "1e9", "1e38", "1e39", "1e308", "1e309", "-1e308", "1e-300", "nan", "inf", "-inf",
    "0.5", "1,5", "0x10", "1_000", "x", "", "None", "true", "١٢",
]  # fmt: skip
WHOLE = [0, 1, 2, 3, 127, 128, 255, 256, 32767, 65535, 65536, 10**6, 10**8, 2**31 - 1, 2**31, 2**32 - 1, 2**32]
WHOLE += [10**12, 2**53, 2**63 - 1, 2**63, 2**64 - 1, -1, -2]
FLOATS = [0.0, -1.0, 1e-300, 1e30, 1e300, float("nan"), float("inf"), float("-inf")]
_NUMBER = re.compile(rb"(?<![A-Za-z0-9_.])-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
HEAD = 1500


def mutated(rng: Random, seeds: list[Files]) -> Files:
    """Return one of the seeds with one to three mutations in its files."""
    files = dict(rng.choice(seeds))
    names = [name for name in files if not name.endswith("/")]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        name = rng.choice(names[:1] * 3 + names)
        if rng.random() < 0.01 and len(names) > 1:
            files.pop(name, None)
            names.remove(name)
            continue
        others = [content for files in seeds for other, content in files.items() if other[-4:] == name[-4:]]
        files[name] = mutate(rng, files[name], others)
    return files


def mutate(rng: Random, data: bytes, others: list[bytes]) -> bytes:
    """Return changed content; containers are mostly changed inside, with their lengths and checksums made right."""
    container = _container(data)
    if container is not None and rng.random() < 0.7:
        try:
            return container(rng, data)
        except (ValueError, KeyError, IndexError, OverflowError, EOFError, zipfile.BadZipFile, zlib.error, OSError):
            pass  # changed before in a way that leaves no container
        except (RecursionError, NotImplementedError, RuntimeError, struct.error):
            pass
    chosen = rng.choice(BYTES + (TEXT if _texty(data[:HEAD]) else []))
    return _splice(rng, data, others) if chosen is None else chosen(rng, data)


def _texty(head: bytes) -> bool:
    return sum(32 <= b < 127 or b in b"\r\n\t" for b in head) > 0.3 * max(len(head), 1)


def _at(rng: Random, data: bytes) -> int:
    """Return a place; headers are more often met than their share."""
    return rng.randrange(max(1, min(len(data), rng.choice((64, 400, HEAD, len(data), len(data))))))


def _flip(rng: Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 40))):
        if out:
            out[_at(rng, data)] ^= 1 << rng.randrange(8)
    return bytes(out)


def _set(rng: Random, data: bytes) -> bytes:
    at, size = _at(rng, data), rng.choice((1, 1, 2, 4, 8, 64))
    fill = rng.choice((bytes(size), b"\xff" * size, rng.randbytes(size)))
    return data[:at] + fill + data[at + size :]


def _cut(rng: Random, data: bytes) -> bytes:
    return data[: rng.choice((_at(rng, data), rng.randrange(len(data) + 1), max(0, len(data) - rng.randrange(1, 9))))]


def _drop(rng: Random, data: bytes) -> bytes:
    at = _at(rng, data)
    return data[:at] + data[at + rng.choice((1, 2, 4, 100, 5000)) :]


def _double(rng: Random, data: bytes) -> bytes:
    at, size = _at(rng, data), rng.choice((1, 4, 40, 500, 5000))
    return data[: at + size] + data[at : at + size] * rng.choice((1, 1, 3, 50)) + data[at + size :]


def _splice(rng: Random, data: bytes, others: list[bytes]) -> bytes:
    other = rng.choice(others)
    return data[: _at(rng, data)] + other[_at(rng, other) :]


def _integer(rng: Random, data: bytes) -> bytes:
    """Put an unusual number where the file may have one."""
    code = rng.choice("BHIQIQfd")
    at = _at(rng, data)
    at -= at % rng.choice((1, 1, 2, 4))
    if code in "fd":
        try:
            raw = struct.pack("<" + code, rng.choice(FLOATS))
        except OverflowError:
            raw = b"\xff" * 4
    else:
        size = struct.calcsize(code)
        raw = struct.pack(rng.choice("<>") + code, rng.choice(WHOLE) % (1 << 8 * size))
    return data[:at] + raw + data[at + len(raw) :]


def _number(rng: Random, data: bytes) -> bytes:
    """Replace a number that is written as text."""
    upto = rng.choice((HEAD, len(data)))
    found = [m.span() for m in _NUMBER.finditer(data[:upto])]
    if not found:
        return _integer(rng, data)
    start, end = rng.choice(found)
    return data[:start] + rng.choice(NUMBERS).encode() + data[end:]


def _word(rng: Random, data: bytes) -> bytes:
    """Replace, drop or double a word near the beginning."""
    found = [m.span() for m in re.finditer(rb"[A-Za-z_][\w.]*", data[:HEAD])]
    if not found:
        return _flip(rng, data)
    (start, end), (a, b) = rng.choice(found), rng.choice(found)
    new = rng.choice((data[a:b], b"", data[start:end] * 2, b"\xff\xfe", b"x" * 300, data[start:end].swapcase()))
    return data[:start] + new + data[end:]


def _line(rng: Random, data: bytes) -> bytes:
    """Move, drop or double a line."""
    lines = data.split(b"\n")
    at, to = rng.randrange(min(len(lines), 40)), rng.randrange(len(lines))
    change = rng.randrange(4)
    if change == 0:
        del lines[at]
    elif change == 1:
        lines.insert(to, lines[at])
    elif change == 2:
        lines[at], lines[to] = lines[to], lines[at]
    else:
        lines[to] = lines[to].replace(b" ", rng.choice((b"", b"\t", b",", b"  ", b";")), rng.choice((1, 3)))
    return b"\n".join(lines)


BYTES: list[Callable[[Random, bytes], bytes] | None] = [_flip, _set, _cut, _drop, _double, _integer, _integer, None]
"""None stands for splicing, which needs the other files."""
TEXT: list[Callable[[Random, bytes], bytes] | None] = [_number, _number, _number, _number, _word, _word, _line, _line]


def _container(data: bytes) -> Callable[[Random, bytes], bytes] | None:
    if data[:4] == b"PK\x03\x04":
        return _zip
    if data[:4] == b"glTF":
        return _glb
    if data[:6] == b"\x93NUMPY":
        return _npy
    if data[:8] == b"ASTM-E57":
        return _e57
    if data[:2] == b"\x1f\x8b":
        return lambda rng, data: gzip.compress(mutate(rng, gzip.decompress(data), [data]), 1, mtime=0)
    if data[:1] in b"{[" and data[:1]:
        return _json
    if len(data) > 9 and data[8:9] == b"{":
        return _safetensors
    return None


def _e57(rng: Random, data: bytes) -> bytes:
    """Change the file below its checksums, of which there is one at the end of every 1,024 bytes."""
    plain = b"".join(data[at : at + 1020] for at in range(0, len(data), 1024))
    text = plain.find(b"<?xml")
    if text > 0 and rng.random() < 0.6:
        new = plain[:text] + rng.choice((_number, _number, _word, _flip, _drop))(rng, plain[text:])
    else:
        new = plain[:48] + mutate(rng, plain[48:], [plain])
    new = new[: len(plain)].ljust(len(plain), b" ")
    pages = [new[at : at + 1020] for at in range(0, len(new), 1020)]
    return b"".join(page + struct.pack(">I", _crc32c(page)) for page in pages)


def _crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _crc_table() -> list[int]:
    out = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        out.append(value)
    return out


CRC = _crc_table()


def _zip(rng: Random, data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        members = [(info.filename, old.read(info), info.compress_type) for info in old.infolist()]
    at = rng.randrange(len(members))
    name, content, kind = members[at]
    change = rng.randrange(8)
    if change == 0:
        members.append(members[at])
    elif change == 1:
        del members[at]
    elif change == 2:
        members[at] = rng.choice(("points.npy", "../x.npy", "x", "a/data.pkl", "faces.npy", "")), content, kind
    else:
        members[at] = name, mutate(rng, content, [m[1] for m in members]), kind
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as new:
        warnings.simplefilter("ignore")  # a name may be there twice
        for name, content, kind in members:
            new.writestr(zipfile.ZipInfo(name), content, compress_type=kind)
    return out.getvalue()


def _npy(rng: Random, data: bytes) -> bytes:
    """Change the header's text and give it its right length."""
    length = struct.unpack_from("<H", data, 8)[0]
    head, body = data[10 : 10 + length].rstrip(), data[10 + length :]
    head = rng.choice((_number, _number, _word, _flip, _line))(rng, head)
    if rng.random() < 0.3:
        kinds = (b"'<f8'", b"'|O'", b"'<U9'", b"'>i2'", b"'|V3'", b"[('x', '<f4', (3,))]", b"'<M8[s]'", b"'<c16'", b"3")
        head = re.sub(rb"'[<>|][a-zA-Z]\d*'", lambda _: rng.choice(kinds), head, count=1)
    return data[:8] + struct.pack("<H", len(head) + 1 & 0xFFFF) + head + b"\n" + body


def _glb(rng: Random, data: bytes) -> bytes:
    size = struct.unpack_from("<I", data, 12)[0]
    text, rest = data[20 : 20 + size], data[28 + size :]
    if rng.random() < 0.25:
        return glb_of(text, mutate(rng, rest, [rest]))
    return glb_of(_json(rng, text), rest)


def _safetensors(rng: Random, data: bytes) -> bytes:
    size = struct.unpack_from("<Q", data)[0]
    text, body = data[8 : 8 + size], data[8 + size :]
    content = json.loads(text)
    inner = content.get("__metadata__") if isinstance(content, dict) else None
    inner = inner if isinstance(inner, dict) else {}
    texts = [key for key, value in inner.items() if isinstance(value, str)]
    if texts and rng.random() < 0.6:  # what the file's own header says, as JSON in JSON
        key = rng.choice(texts)
        inner[key] = _json(rng, inner[key].encode()).decode("utf-8", "replace")
        if "config_sha256" in inner:
            inner["config_sha256"] = hashlib.sha256(inner["config"].encode()).hexdigest()
        text = json.dumps(content).encode()
    else:
        text = _json(rng, text)
    return struct.pack("<Q", len(text)) + text + body


def _json(rng: Random, text: bytes) -> bytes:
    """Change one value somewhere in a JSON text: its type, its size, its place, or how deep it lies."""
    if rng.random() < 0.15:
        return rng.choice((_number, _word, _flip, _cut))(rng, text)
    content = json.loads(text)
    places: list[tuple[Any, Any]] = []
    stack: list[Any] = [content]
    while stack:
        node = stack.pop()
        pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in pairs:
            places.append((node, key))
            stack.append(value)
    if not places:
        return json.dumps(_value(rng)).encode()
    node, key = rng.choice(places)
    change = rng.randrange(10)
    if change == 0:
        del node[key]
    elif change == 1 and isinstance(node, list):
        node.extend([node[key]] * rng.choice((1, 2, 300)))
    elif change == 1:
        node[rng.choice(("", "x", "uri", "extensions", "count", "9" * 30))] = node[key]
    elif change == 2:
        other, place = rng.choice(places)
        node[key] = other[place]
        try:
            return json.dumps(content).encode()
        except ValueError:  # a value inside itself
            node[key] = None
    elif change == 3:
        node[key] = [node[key]]
    else:
        node[key] = _value(rng)
    out = json.dumps(content).encode()
    return out.replace(b'"@deep"', _deep(rng)) if b'"@deep"' in out else out


def _deep(rng: Random) -> bytes:
    n = rng.choice((50, 900, 3000, 100_000))
    return rng.choice((b"[" * n + b"]" * n, b'{"a":' * n + b"1" + b"}" * n))


def _value(rng: Random) -> Any:
    some = [None, True, False, "", "x", "../x", "\0", "é" * 50, [], {}, [0], {"a": 1}, [[]], "@deep", "nan", "-1", "3"]
    return rng.choice(
        [*some, *rng.sample(WHOLE, 8), *rng.sample(FLOATS, 4), 10**30, 10**400, 0.5, [1, 2, 3], [None] * 3]
    )
