"""Keeps engines from loading what a course never asks for, and what this process has.

MiniStack makes a botocore session of its own, 10 ms, for each service that it learns the content type of.  moto loads
100 MB with the first call to EC2: when that is imported it reads its list of which instance type is offered where,
70 MB for the regions of the world, and botocore's models a second time.
"""

from __future__ import annotations

import sys
from typing import Any

from botocore.exceptions import UnknownServiceError

from labs.aws import models

OFFERINGS = "ec2/resources/instance_type_offerings/"
EC2 = "moto.ec2.models.instance_types"


class Offerings(dict[str, list[dict[str, Any]]]):
    """Instance type offerings by region of one location type, each region read when it is first asked for."""

    def __init__(self, location_type: str, regions: frozenset[str]) -> None:
        super().__init__()
        self._location_type = location_type
        self._regions = regions

    def __missing__(self, region: str) -> list[dict[str, Any]]:
        from moto.utilities.utils import load_resource

        if region not in self._regions:
            raise KeyError(region)
        found = load_resource(f"{OFFERINGS}{self._location_type}/{region}.json")
        self[region] = [{**offering, "LocationType": self._location_type} for offering in found]
        return self[region]

    def get(self, region: str, default: Any = None) -> Any:
        """As of a dict that holds every region."""
        return self[region] if region in self._regions else default


def install() -> None:
    """Before moto has imported anything of EC2's; doing it again does nothing."""
    import moto.core.utils
    import moto.utilities.utils

    plain = moto.utilities.utils.load_resource
    if not hasattr(plain, "reads_later"):

        def load_resource(resource: str) -> Any:
            at_import = resource.startswith(OFFERINGS) and EC2 in sys.modules and not _replaced()
            return [] if at_import else plain(resource)

        load_resource.reads_later = True  # type: ignore[attr-defined]  # a mark, so that it is done once
        moto.utilities.utils.load_resource = load_resource
        moto.core.utils._load_service_model = _sharing(moto.core.utils._load_service_model)


def share_models(responses: Any) -> None:
    """Let MiniStack (its module ``ministack.core.responses``) use the models of :mod:`labs.aws.models`."""

    def service_model(service: str) -> Any:
        try:
            return models.service_model(responses._BOTOCORE_NAME.get(service, service))
        except UnknownServiceError:
            return None

    responses._service_model = service_model


def forget() -> None:
    """Replace the empty list that moto has imported, if it has by now, by one that is read by region."""
    if EC2 in sys.modules and not _replaced():
        offerings: Any = sys.modules[EC2].INSTANCE_TYPE_OFFERINGS  # type: ignore[attr-defined]
        for location_type, regions in offerings.items():
            offerings[location_type] = Offerings(location_type, frozenset(regions))


def _sharing(plain: Any) -> Any:
    """moto's loading of a model, with EC2's taken from those that this process has, 25 MB of it."""

    def load_service_model(service_name: str, model_name: str) -> Any:
        if (service_name, model_name) != ("ec2", "service-2"):
            return plain(service_name, model_name)
        from botocore.loaders import ExtrasProcessor
        from moto.core.loaders import create_loader

        ours = models.loader().load_service_model(service_name, model_name)
        model = {**ours, "shapes": dict(ours["shapes"])}  # moto adds shapes of its own; ours stays as it is
        extras = create_loader()
        version = extras.determine_latest_version(service_name, model_name)
        ExtrasProcessor().process(model, extras._find_extras(service_name, model_name, version))
        return model

    return load_service_model


def _replaced() -> bool:
    offerings: dict[str, Any] = getattr(sys.modules[EC2], "INSTANCE_TYPE_OFFERINGS", {})
    return any(isinstance(regions, Offerings) for regions in offerings.values())
