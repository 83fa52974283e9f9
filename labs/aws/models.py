"""botocore's service models, loaded once a process and only when a call needs them.

EC2's model alone costs 25 MB, so nothing may ask for a model before the first call to its service.
"""

from __future__ import annotations

from functools import cache, lru_cache

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel


@lru_cache(maxsize=1)
def loader() -> Loader:
    """The one botocore loader of this process (it caches the JSON files that it has read)."""
    return Loader()


@cache
def service_model(service: str) -> ServiceModel:
    """The model of a botocore service name such as ``"elbv2"``.

    :raises botocore.exceptions.UnknownServiceError: no such service
    """
    return ServiceModel(loader().load_service_model(service, "service-2"), service_name=service)


def operation_model(service: str, operation: str) -> OperationModel:
    """The model of one operation, e.g. ``("s3", "GetObject")``.

    :raises botocore.model.OperationNotFoundError: the service has no such operation
    """
    return service_model(service).operation_model(operation)
