"""route53."""

from __future__ import annotations

from labs.aws.gateway.corrections import Corrections

CORRECTIONS = Corrections()
