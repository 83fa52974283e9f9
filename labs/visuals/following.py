"""What the pictures of something that moves have in common: a thread that looks again and again, and the static forms.

Mixed into a widget class, before it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from labs.errors import PermanentError, TemporaryError
from labs.visuals.picture import with_static_forms

EVERY = 1.0
TIMEOUT = 5.0
"""Seconds between two looks, and for one answer."""


class Following:
    """A widget that keeps looking; it has ``text``, ``svg`` and ``trouble`` (why the last look failed, or "")."""

    text: Any
    svg: Any
    trouble: Any
    longest = 3600.0
    """Seconds that it follows unless told otherwise."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        super().__init__(*arguments, **options)

    def see(self) -> None:
        """Look once and keep what was seen; raises TemporaryError or PermanentError."""
        raise NotImplementedError

    def looked(self) -> None:
        """Called after each look of the thread, also one that failed."""

    def follow(self, seconds: float | None = None) -> Self:
        """Keep looking, once a second, from a thread of its own until ``stop`` or for ``seconds``; returns itself."""
        if self._thread is None or not self._thread.is_alive():
            self._ended.clear()
            asked = (self.longest if seconds is None else seconds,)
            self._thread = threading.Thread(target=self._follow, args=asked, name=type(self).__name__, daemon=True)
            self._thread.start()
        return self

    def stop(self) -> Self:
        """Follow no longer; what was seen last stays.  Returns itself."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=TIMEOUT + EVERY)
        return self

    def close(self) -> None:
        """Called when the widget goes."""
        self._ended.set()
        super().close()  # type: ignore[misc]

    def _follow(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._ended.wait(EVERY):
            try:
                self.see()
                self.trouble = ""
            except (TemporaryError, PermanentError) as error:
                self.trouble = str(error)  # a cluster that comes back is shown again
            self.looked()

    def __str__(self) -> str:
        return str(self.text)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return with_static_forms(super()._repr_mimebundle_(**kwargs), self)  # type: ignore[misc]


def connected(kubeconfig: str | None) -> Any:
    """The Python client's ``ApiClient`` for a kubeconfig, that of ``KUBECONFIG`` for None.

    :raises PermanentError: there is none that it can use
    """
    from kubernetes import config

    try:
        return config.new_client_from_config(config_file=kubeconfig)
    except config.ConfigException as error:
        raise PermanentError(
            f"There is no usable kubeconfig: {error}", "Start a cluster with `lab up kubernetes`."
        ) from None


def answered(api: Any, call: Callable[..., Any], *arguments: str, missing: Any = None, **options: Any) -> Any:
    """What the API server answers to a call of the Python client, as plain data; ``missing``, unless None, for a 404.

    :raises PermanentError: it refuses, in its words
    :raises TemporaryError: it does not answer
    """
    from kubernetes import client
    from urllib3.exceptions import HTTPError

    try:
        return json.loads(call(*arguments, _preload_content=False, _request_timeout=TIMEOUT, **options).data)
    except client.ApiException as error:
        if error.status == 404 and missing is not None:
            return missing
        raise PermanentError(f"The API server answers {error.status} {error.reason}.", _message(error)) from error
    except HTTPError as error:
        raise TemporaryError(f"No API server answers at {api.configuration.host}: {error}") from error


def _message(error: Any) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (ValueError, TypeError, KeyError):
        return "Look at its log: `lab logs kube-apiserver`."
