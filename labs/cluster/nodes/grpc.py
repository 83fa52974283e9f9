"""One question of the gRPC health protocol, for gRPC probes.

"GRPC Health Checking Protocol" and "gRPC over HTTP2" (grpc.io).  The two messages have one field each, so they are
written by hand over the library ``h2``: grpcio would cost the nodes tens of megabytes for them.
"""

from __future__ import annotations

import asyncio

from labs.cluster.nodes.api import Object

ANSWERS = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
UNIMPLEMENTED = 12
LONGEST = 2**16


async def check(host: str, port: int, service: str, timeout: float) -> str | None:
    """None when the service is SERVING within ``timeout`` seconds, else a kubelet's words for why not."""
    where = f"{host}:{port}"
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return f'timeout: failed to connect service "{where}" within {timeout:g}s: context deadline exceeded'
    except OSError as error:
        return f'error: failed to connect service at "{where}": {error.strerror or error}'
    try:
        async with asyncio.timeout(timeout):
            headers, body = await _ask(reader, writer, where, service)
    except TimeoutError:
        return f"timeout: health rpc did not complete within {timeout:g}s"
    except (OSError, ValueError) as error:
        return f"error: health rpc probe failed: {error}"
    finally:
        writer.close()
    return _verdict(headers, body)


def _verdict(headers: Object, body: bytes) -> str | None:
    code = headers.get("grpc-status", "")
    if code == str(UNIMPLEMENTED):
        return "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): " \
               f"{headers.get('grpc-message', '')}"
    if headers.get(":status") != "200" or code != "0":
        return f"error: health rpc probe failed: rpc error: code = {code or headers.get(':status')} " \
               f"desc = {headers.get('grpc-message', '')}"
    number = body[6] if len(body) > 6 and body[5] == 0x08 else 0       # field 1, a number; left out when 0
    name = ANSWERS[number] if number < len(ANSWERS) else str(number)
    return None if name == "SERVING" else f'service unhealthy (responded with "{name}")'


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, authority: str,
               service: str) -> tuple[Object, bytes]:
    """(headers and trailers, body); raises OSError or ValueError."""
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import (
        ConnectionTerminated,
        DataReceived,
        ResponseReceived,
        StreamEnded,
        StreamReset,
        TrailersReceived,
    )
    from h2.exceptions import ProtocolError

    name = service.encode()
    message = b"\x0a" + bytes([len(name)]) + name if name else b""      # names are shorter than 128 bytes
    connection = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    connection.initiate_connection()
    stream = connection.get_next_available_stream_id()
    connection.send_headers(stream, [
        (":method", "POST"), (":scheme", "http"), (":path", "/grpc.health.v1.Health/Check"), (":authority", authority),
        ("te", "trailers"), ("content-type", "application/grpc"), ("user-agent", "kube-probe/1.37")])
    connection.send_data(stream, b"\0" + len(message).to_bytes(4, "big") + message, end_stream=True)
    headers: Object = {}
    body = b""
    while True:
        writer.write(connection.data_to_send())
        await writer.drain()
        data = await reader.read(LONGEST)
        if not data:
            raise ValueError("the connection was closed")
        try:
            events = connection.receive_data(data)
        except ProtocolError as error:
            raise ValueError(f"this is no HTTP/2: {error or type(error).__name__}") from error
        for event in events:
            if isinstance(event, ResponseReceived | TrailersReceived):
                headers |= {str(name): value for name, value in event.headers}
            elif isinstance(event, DataReceived):
                body = (body + event.data)[:LONGEST]
            elif isinstance(event, StreamEnded):
                return headers, body
            elif isinstance(event, StreamReset | ConnectionTerminated):
                raise ValueError("the server gave the call up")
