"""The proxy through which the API server connects, without a cluster."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from labs.cluster.network import egress, forward


@pytest.mark.parametrize(("text", "wanted"), [
    (b"CONNECT 10.244.1.2:80 HTTP/1.1", ("10.244.1.2", 80)), (b"CONNECT [::1]:80 HTTP/1.1", ("::1", 80)),
    (b"GET / HTTP/1.1", None), (b"CONNECT 10.244.1.2 HTTP/1.1", None), (b"CONNECT :80 HTTP/1.1", None),
    (b"CONNECT a:70000 HTTP/1.1", None), (b"\xff\xfe", None)])
def test_only_a_whole_connect_request_names_a_target(text: bytes, wanted: tuple[str, int] | None) -> None:
    if wanted is None:
        with pytest.raises(ValueError, match=r"CONNECT|HOST:PORT"):
            egress.target(text)
    else:
        assert egress.target(text) == wanted


def test_what_is_sent_early_arrives_and_each_side_may_finish_first(tmp_path: Path) -> None:
    async def talk() -> bytes:
        async def upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.read()).upper())     # answers after the caller's end of file only
            writer.close()

        far = await asyncio.start_server(upper, "127.0.0.1", 0)
        port = far.sockets[0].getsockname()[1]
        task = asyncio.create_task(egress.serve(tmp_path / "s", forward.connect))
        while not (tmp_path / "s").exists():
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        writer.write(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\nearly " % port)
        writer.write(b"x" * 200_000)
        writer.write_eof()
        said = await reader.read()
        writer.close()
        far.close()
        task.cancel()
        return said

    head, _, body = asyncio.run(asyncio.wait_for(talk(), 10)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b"EARLY " + b"X" * 200_000
