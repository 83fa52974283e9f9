"""Pictures that move, each with a text form and a static SVG.

Depends on ``labs.aws.iam`` and ``labs.services``, never on scenarios or the command line.  Public names are
resolved on first use (PEP 562): importing this package loads neither ipywidgets nor boto3.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labs.visuals.autoscaler import AutoscalerView, autoscaler_view
    from labs.visuals.burn_rate import BurnRateView, burn_rate_view
    from labs.visuals.cluster_picture import ClusterView, cluster_view
    from labs.visuals.path_of_credentials import CredentialPath, credential_path
    from labs.visuals.picture import PolicyEvaluation, explain, policy_evaluation
    from labs.visuals.traffic import Hop, Journey, TrafficPicture
    from labs.visuals.workbench import WhatIf, what_if

__all__ = [
    "AutoscalerView",
    "BurnRateView",
    "ClusterView",
    "CredentialPath",
    "Hop",
    "Journey",
    "PolicyEvaluation",
    "TrafficPicture",
    "WhatIf",
    "autoscaler_view",
    "burn_rate_view",
    "cluster_view",
    "credential_path",
    "explain",
    "policy_evaluation",
    "what_if",
]

_WHERE = {
    "AutoscalerView": "labs.visuals.autoscaler",
    "BurnRateView": "labs.visuals.burn_rate",
    "ClusterView": "labs.visuals.cluster_picture",
    "CredentialPath": "labs.visuals.path_of_credentials",
    "Hop": "labs.visuals.traffic",
    "Journey": "labs.visuals.traffic",
    "PolicyEvaluation": "labs.visuals.picture",
    "TrafficPicture": "labs.visuals.traffic",
    "WhatIf": "labs.visuals.workbench",
    "autoscaler_view": "labs.visuals.autoscaler",
    "burn_rate_view": "labs.visuals.burn_rate",
    "cluster_view": "labs.visuals.cluster_picture",
    "credential_path": "labs.visuals.path_of_credentials",
    "explain": "labs.visuals.picture",
    "policy_evaluation": "labs.visuals.picture",
    "what_if": "labs.visuals.workbench",
}


def __getattr__(name: str) -> Any:
    try:
        module = _WHERE[name]
    except KeyError:
        raise AttributeError(
            f"module 'labs.visuals' has no attribute {name!r}; it offers {', '.join(__all__)}"
        ) from None
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return sorted(__all__)
