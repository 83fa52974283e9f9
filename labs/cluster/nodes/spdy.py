"""The frames of SPDY/3.1 that port forwarding needs; no I/O.

"SPDY Protocol - Draft 3.1" (chromium.org); what a client of Kubernetes sends of it is in github.com/moby/spdystream:
SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY, DATA, no flow control.  Written here because no library for Python is
left that speaks it; other frames are passed over.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY = 1, 2, 3, 6, 7
FIN = 1
INTERNAL_ERROR = 6
HEADER_BYTES = 2**16
"""Of one block of headers, decompressed, at most."""

_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie "
    "keep-alive origin")
_REST = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative "
    "Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 "
    "Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec "
    "00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,"
    "application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8"
    "charset=iso-8859-1,utf-,*,enq=0.")
DICTIONARY = b"".join(struct.pack("!I", len(each)) + each.replace("_", " ").encode() for each in _WORDS.split()) + \
    _REST.encode()
"""What both ends know of headers before the first ("Compression", section 2.6.10.1)."""


class ProtocolError(Exception):
    """What came is no SPDY/3.1."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The other end opens a stream."""

    stream: int
    headers: dict[str, str]
    last: bool


@dataclass(frozen=True, slots=True)
class Data:
    """Content of a stream; ``last``: nothing more comes."""

    stream: int
    content: bytes
    last: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """The other end gives a stream up."""

    stream: int


@dataclass(frozen=True, slots=True)
class Ping:
    """To be answered with the same frame."""

    number: int


@dataclass(frozen=True, slots=True)
class GoAway:
    """No further streams."""


Event = Opened | Data | Reset | Ping | GoAway


class Connection:
    """One end of a connection: bytes in, events out, and the bytes of what it sends."""

    def __init__(self) -> None:
        self._received = b""
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def receive(self, data: bytes) -> list[Event]:
        """What these bytes complete; raises ProtocolError."""
        self._received += data
        events: list[Event] = []
        while len(self._received) >= 8:
            first, second = struct.unpack("!II", self._received[:8])
            length = second & 0xFFFFFF
            if len(self._received) < 8 + length:
                break
            body, self._received = self._received[8:8 + length], self._received[8 + length:]
            event = self._control(first, body, second >> 24) if first >> 31 else \
                Data(first, body, bool(second >> 24 & FIN))
            if event is not None:
                events.append(event)
        return events

    def _control(self, first: int, body: bytes, flags: int) -> Event | None:
        version, kind = first >> 16 & 0x7FFF, first & 0xFFFF
        if version != 3:
            raise ProtocolError(f"SPDY version {version}, expected 3")
        try:
            if kind == SYN_STREAM:
                stream, = struct.unpack("!I", body[:4])
                return Opened(stream & 0x7FFFFFFF, self._headers(body[10:]), bool(flags & FIN))
            if kind == RST_STREAM:
                return Reset(struct.unpack("!I", body[:4])[0] & 0x7FFFFFFF)
            if kind == PING:
                return Ping(struct.unpack("!I", body[:4])[0])
        except struct.error as error:
            raise ProtocolError(f"frame {kind} is cut off") from error
        return GoAway() if kind == GOAWAY else None

    def _headers(self, block: bytes) -> dict[str, str]:
        """"Name/Value Header Block", section 2.6.10."""
        try:
            plain = self._inflate.decompress(block, HEADER_BYTES)
        except zlib.error as error:
            raise ProtocolError(f"headers: {error}") from error
        if self._inflate.unconsumed_tail:
            raise ProtocolError(f"more than {HEADER_BYTES} bytes of headers")
        words: list[str] = []
        at = 4
        while at < len(plain):
            length, = struct.unpack("!I", plain[at:at + 4])
            words.append(plain[at + 4:at + 4 + length].decode("utf-8", "replace"))
            at += 4 + length
        return dict(zip(words[::2], words[1::2], strict=False))

    def reply(self, stream: int) -> bytes:
        """SYN_REPLY: take a stream, with no headers."""
        block = self._deflate.compress(struct.pack("!I", 0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return _frame(SYN_REPLY, struct.pack("!I", stream) + block)


def data(stream: int, content: bytes, last: bool = False) -> bytes:
    """A DATA frame."""
    return struct.pack("!II", stream, (FIN if last else 0) << 24 | len(content)) + content


def reset(stream: int, status: int = INTERNAL_ERROR) -> bytes:
    """RST_STREAM."""
    return _frame(RST_STREAM, struct.pack("!II", stream, status))


def pong(number: int) -> bytes:
    """The answer to a PING."""
    return _frame(PING, struct.pack("!I", number))


def _frame(kind: int, body: bytes) -> bytes:
    return struct.pack("!HHI", 0x8003, kind, len(body)) + body
