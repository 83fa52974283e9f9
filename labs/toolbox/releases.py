"""Downloading a program from its vendor, checked against the SHA-256 the vendor publishes beside it.

The digest comes from the same server as the file: it proves a complete and undamaged download; that the server is
the vendor's is TLS's part.  Linux only, as the labs' services are.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from labs.errors import PermanentError, TemporaryError

CONNECTED_WITHIN = 10.0
ANSWERED_WITHIN = 30.0
DOWNLOADED_WITHIN = 900.0
"""Seconds until a connection stands, until the next bytes arrive, and for a whole file."""
TRIES = 3
"""How often an interrupted download is begun."""
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Release:
    """Where a vendor keeps one program; see ``tools.toml``.

    :param base: address of the vendor's releases
    :param file: path below it of what is downloaded; ``{arch}`` is filled in
    :param sums: path of the text that has the file's SHA-256
    :param member: path of the program in the archive; empty when the file is the program
    """

    base: str
    file: str
    sums: str
    member: str = ""

    def download(self, target: Path, report: Callable[[str], None]) -> str:
        """Write the program to ``target`` (a folder of its own) and return the address it came from.

        :raises PermanentError: there is none for this machine, or what was sent is not what was published
        :raises TemporaryError: the vendor cannot be reached, or each try was interrupted
        """
        arch = _ARCHITECTURES.get(platform.machine().lower())
        if sys.platform != "linux" or arch is None:
            raise PermanentError(f"there is no release for {sys.platform} on {platform.machine()}")
        url = f"{self.base.rstrip('/')}/{self.file.format(arch=arch)}"
        sums = f"{self.base.rstrip('/')}/{self.sums.format(arch=arch)}"
        got = target.with_name(target.name + ".download")
        timeout = httpx.Timeout(ANSWERED_WITHIN, connect=CONNECTED_WITHIN)
        with httpx.Client(timeout=timeout, follow_redirects=True) as client:
            wanted = _published(_text(client, sums), url.rsplit("/", 1)[1], sums)
            digest = _fetch(client, url, got, report)
        if digest != wanted:
            got.unlink()
            raise PermanentError(f"{url} has the SHA-256 {digest}; {sums} says {wanted}")
        if self.member:
            _take_out(got, self.member.format(arch=arch), target)
            got.unlink()
        else:
            got.replace(target)
        return url


def _text(client: httpx.Client, url: str) -> str:
    try:
        answer = client.get(url)
    except httpx.HTTPError as error:
        raise TemporaryError(f"{url}: {error or type(error).__name__}") from error
    if answer.status_code != httpx.codes.OK:
        raise PermanentError(f"{url} answers {answer.status_code}")
    return answer.text


def _published(text: str, file: str, where: str) -> str:
    """The digest for ``file`` from lines ``DIGEST  FILE``, or from a text that is nothing but one digest."""
    for line in text.splitlines():
        words = line.split()
        if words and re.fullmatch(r"[0-9a-f]{64}", words[0]) and words[1:] in ([], [file], [f"*{file}"]):
            return words[0]
    raise PermanentError(f"{where} has no SHA-256 for {file}")


def _fetch(client: httpx.Client, url: str, target: Path, report: Callable[[str], None]) -> str:
    """Download to ``target``; returns its SHA-256."""
    last = ""
    for _ in range(TRIES):
        try:
            return _fetch_once(client, url, target, report)
        except (httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError) as error:
            last = str(error) or type(error).__name__
            report(f"{url}: interrupted ({last})")
        except httpx.HTTPError as error:
            raise TemporaryError(f"{url}: {error or type(error).__name__}") from error
    raise TemporaryError(f"{url}: interrupted {TRIES} times, lastly by: {last}")


def _fetch_once(client: httpx.Client, url: str, target: Path, report: Callable[[str], None]) -> str:
    began = told = time.monotonic()
    digest, size = hashlib.sha256(), 0
    with client.stream("GET", url) as answer, target.open("wb") as file:
        if answer.status_code != httpx.codes.OK:
            raise PermanentError(f"{url} answers {answer.status_code}")
        for chunk in answer.iter_bytes(1 << 20):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            now = time.monotonic()
            if now > began + DOWNLOADED_WITHIN:
                raise TemporaryError(f"{url}: {size >> 20} MB arrived in {DOWNLOADED_WITHIN:.0f} s, and not all")
            if now > told + 2.0:
                told = now
                report(f"downloading {url}: {size >> 20} MB, {now - began:.0f} s")
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _take_out(archive: Path, member: str, target: Path) -> None:
    try:
        with tarfile.open(archive) as opened:
            source = opened.extractfile(member)
            if source is None:
                raise KeyError(f"{member!r} is no file")
            with source, target.open("wb") as file:
                while chunk := source.read(1 << 20):
                    file.write(chunk)
    except (tarfile.TarError, KeyError, EOFError) as error:
        raise PermanentError(f"{archive.name} has no {member}: {error}") from error
