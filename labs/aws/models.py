"""botocore's service models, loaded once a process and only when a call needs them.

EC2's model alone costs 10 MB, so nothing may ask for a model before the first call to its service.  Documentation, half
of every model, is left out.
"""

from __future__ import annotations

import gzip
import json
import sys
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from botocore import loaders
from botocore.loaders import JSONFileLoader, Loader
from botocore.model import OperationModel, ServiceModel


class _Files(JSONFileLoader):
    """As botocore reads them, without documentation and in plain dictionaries, which take a third of the memory."""

    def load_file(self, file_path: str) -> Any:
        """The content of ``file_path.json`` or ``file_path.json.gz``, None where there is neither."""
        for path, opened in ((Path(f"{file_path}.json"), open), (Path(f"{file_path}.json.gz"), gzip.open)):
            if path.is_file():
                with opened(path, "rb") as file:
                    model = json.loads(file.read(), object_pairs_hook=_described)
                for parameter in model.get("clientContextParams", {}).values():
                    parameter["documentation"] = ""  # botocore.model reads this one
                return model
        return None


def _described(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # A member may be called documentation, too; it is no text then.
    return {sys.intern(name): value for name, value in pairs if name != "documentation" or not isinstance(value, str)}


@lru_cache(maxsize=1)
def loader() -> Loader:
    """The one botocore loader of this process (it caches the JSON files that it has read)."""
    return Loader(file_loader=_Files())


def share() -> None:
    """Let every botocore session of this process read through :func:`loader`.

    Each would otherwise read what it needs anew, and the engines make sessions freely: moto reads EC2's model four
    times to know which regions there are.
    """
    loaders.create_loader = lambda *_: loader()  # botocore.session imports this name; importing it here takes 60 ms
    if session := sys.modules.get("botocore.session"):
        session.create_loader = loaders.create_loader  # type: ignore[attr-defined]


def lessons() -> list[str]:
    """``model NAME`` of each service whose model is in this process."""
    return [f"model {name}" for name in _loaded]


_loaded: dict[str, None] = {}


@cache
def service_model(service: str) -> ServiceModel:
    """The model of a botocore service name such as ``"elbv2"``.

    :raises botocore.exceptions.UnknownServiceError: no such service
    """
    made = ServiceModel(loader().load_service_model(service, "service-2"), service_name=service)
    _loaded[service] = None
    return made


def operation_model(service: str, operation: str) -> OperationModel:
    """The model of one operation, e.g. ``("s3", "GetObject")``.

    :raises botocore.model.OperationNotFoundError: the service has no such operation
    """
    return service_model(service).operation_model(operation)
