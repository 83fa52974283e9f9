"""CBOR (RFC 8949), as much of it as Smithy RPC v2 uses: no registered tags beyond epoch time, string keys only.

https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 200
_BREAK = object()


@dataclass(frozen=True, slots=True)
class EpochTime:
    """Seconds since 1970, written with tag 1."""

    seconds: float


def loads(data: bytes) -> Any:
    """One data item.  Tags are dropped and their content kept.

    :raises ValueError: truncated, trailing bytes, a key that is no text, text that is no UTF-8, or nested too deep
    """
    value, end = _item(data, 0, 0)
    if value is _BREAK or end != len(data):
        raise ValueError("trailing bytes")
    return value


def dumps(value: Any) -> bytes:
    """The encoding of None, bool, int, float, str, bytes, :class:`EpochTime`, and lists and dicts of them."""
    out = bytearray()
    _write(out, value)
    return bytes(out)


def _take(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if size > len(data) - at:
        raise ValueError("unexpected end")
    return data[at : at + size], at + size


def _argument(data: bytes, at: int, info: int) -> tuple[int | None, int]:
    """The number that follows an initial byte, ``None`` for an indefinite length."""
    if info < 24:
        return info, at
    if info == 31:
        return None, at
    if info > 27:
        raise ValueError("reserved length")
    raw, at = _take(data, at, 1 << (info - 24))
    return int.from_bytes(raw, "big"), at


def _item(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > MAX_DEPTH:
        raise ValueError("nested too deep")
    initial, at = _take(data, at, 1)
    major, info = initial[0] >> 5, initial[0] & 31
    if major == 7:
        return _simple(data, at, info)
    size, at = _argument(data, at, info)
    if major in (2, 3):
        return _text_or_bytes(data, at, major, size, depth)
    if major == 4:
        return _list(data, at, size, depth)
    if major == 5:
        return _map(data, at, size, depth)
    if size is None:
        raise ValueError("a number without length")
    if major == 6:
        value, at = _item(data, at, depth + 1)
        if value is _BREAK:
            raise ValueError("unexpected break")
        return value, at
    return (size if major == 0 else -1 - size), at


def _simple(data: bytes, at: int, info: int) -> tuple[Any, int]:
    if info in (20, 21):
        return info == 21, at
    if info in (22, 23):
        return None, at
    if info in (25, 26, 27):
        form = {25: ">e", 26: ">f", 27: ">d"}[info]
        raw, at = _take(data, at, struct.calcsize(form))
        return struct.unpack(form, raw)[0], at
    if info == 31:
        return _BREAK, at
    raise ValueError("unknown simple value")


def _text_or_bytes(data: bytes, at: int, major: int, size: int | None, depth: int) -> tuple[str | bytes, int]:
    if size is not None:
        raw, at = _take(data, at, size)
    else:
        parts: list[bytes] = []
        while True:
            initial, _ = _take(data, at, 1)
            if initial[0] == 0xFF:
                at += 1
                break
            length, start = _argument(data, at + 1, initial[0] & 31)
            if initial[0] >> 5 != major or length is None:
                raise ValueError("a chunk of another kind")
            part, at = _take(data, start, length)
            parts.append(part)
        raw = b"".join(parts)
    return (raw.decode("utf-8") if major == 3 else raw), at


def _list(data: bytes, at: int, size: int | None, depth: int) -> tuple[list[Any], int]:
    if size is not None and size > len(data) - at:
        raise ValueError("unexpected end")
    items: list[Any] = []
    while size is None or len(items) < size:
        value, at = _item(data, at, depth + 1)
        if value is _BREAK:
            if size is not None:
                raise ValueError("unexpected break")
            break
        items.append(value)
    return items, at


def _map(data: bytes, at: int, size: int | None, depth: int) -> tuple[dict[str, Any], int]:
    if size is not None and size > len(data) - at:
        raise ValueError("unexpected end")
    items: dict[str, Any] = {}
    count = 0
    while size is None or count < size:
        key, at = _item(data, at, depth + 1)
        if key is _BREAK and size is None:
            break
        if not isinstance(key, str):
            raise ValueError("a key that is no text")
        value, at = _item(data, at, depth + 1)
        if value is _BREAK:
            raise ValueError("unexpected break")
        items[key] = value
        count += 1
    return items, at


def _head(out: bytearray, major: int, size: int) -> None:
    if size < 24:
        out.append(major << 5 | size)
        return
    for info, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if size < 1 << (8 * width):
            out.append(major << 5 | info)
            out += size.to_bytes(width, "big")
            return
    raise ValueError("a number of more than 64 bits")


def _write(out: bytearray, value: Any) -> None:
    if value is None or isinstance(value, bool):
        out.append({False: 0xF4, True: 0xF5, None: 0xF6}[value])
    elif isinstance(value, int):
        _head(out, 0 if value >= 0 else 1, value if value >= 0 else -1 - value)
    elif isinstance(value, float):
        out.append(0xFB)
        out += struct.pack(">d", value)
    elif isinstance(value, str):
        raw = value.encode("utf-8")
        _head(out, 3, len(raw))
        out += raw
    elif isinstance(value, bytes | bytearray):
        _head(out, 2, len(value))
        out += value
    elif isinstance(value, EpochTime):
        out.append(0xC1)
        _write(out, int(value.seconds) if float(value.seconds).is_integer() else float(value.seconds))
    elif isinstance(value, dict):
        _head(out, 5, len(value))
        for key, item in value.items():
            _write(out, str(key))
            _write(out, item)
    elif isinstance(value, list | tuple):
        _head(out, 4, len(value))
        for item in value:
            _write(out, item)
    else:
        raise TypeError(f"CBOR has no form for {type(value).__name__}")
