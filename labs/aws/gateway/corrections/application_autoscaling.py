"""Application Auto Scaling: what is not registered (Application Auto Scaling API Reference)."""

from __future__ import annotations

from labs.aws.gateway.corrections import Corrections

CORRECTIONS = Corrections(
    codes={
        ("DeleteScalingPolicy", "ValidationException"): "ObjectNotFoundException",
        ("DeregisterScalableTarget", "ValidationException"): "ObjectNotFoundException",
        ("PutScalingPolicy", "ValidationException"): "ObjectNotFoundException",
    }
)
