"""What moto looks up in services of its own that live in another engine here.

moto's EC2 asks moto's IAM for an instance profile, moto's S3 for a flow log's bucket, and moto's load balancers ask
moto's ACM for a certificate.  Those services are served elsewhere, and the gateway's corrections have already asked the
right one by the time moto is called; so moto's own lookups are made to say yes.  Beside that, moto's load balancers
learn two facts that they have wrong: a load balancer's type is in its ARN, and a target is an id and a port.
"""

from __future__ import annotations

import functools
import sys
import threading
from types import SimpleNamespace
from typing import Any


def forget() -> None:
    """Replace those lookups in what moto has loaded so far; doing it again does nothing."""
    if "moto.ec2.models.flow_logs" in sys.modules:
        _ec2()
    if "moto.elbv2.models" in sys.modules:
        _elbv2()


def _ec2() -> None:
    for name in ("moto.ec2.models.iam_instance_profile", "moto.ec2.responses.instances"):
        if name in sys.modules:
            sys.modules[name].filter_iam_instance_profiles = _instance_profile  # type: ignore[attr-defined]
    backend: Any = sys.modules["moto.ec2.models.flow_logs"].FlowLogsBackend
    if not hasattr(backend.create_flow_logs, "with_destination"):
        backend.create_flow_logs = _with_destination(backend.create_flow_logs)


def _with_destination(create: Any) -> Any:
    """``create_flow_logs`` with a bucket or log group of that name in moto, where it looks for one."""

    @functools.wraps(create)
    def create_flow_logs(self: Any, **params: Any) -> Any:
        bucket = str(params.get("log_destination") or "").partition(":::")[2].partition("/")[0]
        group = params.get("log_group_name") or str(params.get("log_destination") or "").partition(":log-group:")[2]
        if bucket:
            from moto.s3.models import s3_backends

            buckets = s3_backends[self.account_id][self.partition]
            if bucket not in buckets.buckets:
                buckets.create_bucket(bucket, self.region_name)
        elif group:
            from moto.logs.models import logs_backends

            logs = logs_backends[self.account_id][self.region_name]
            if group not in logs.groups:
                logs.create_log_group(group, {})
        return create(self, **params)

    create_flow_logs.with_destination = True  # type: ignore[attr-defined]  # a mark, so that it is done once
    return create_flow_logs


def _elbv2() -> None:
    models: Any = sys.modules["moto.elbv2.models"]
    models.ELBv2Backend._certificate_exists = lambda *_, **__: True
    models.register_certificate = lambda *_, **__: None
    if not hasattr(models.ELBv2Backend.create_load_balancer, "with_type"):
        models.ELBv2Backend.create_load_balancer = _with_type(models)
        _with_ports(models)


def _with_type(models: Any) -> Any:
    """``create_load_balancer`` whose ARN names the type: moto says ``app`` of every load balancer."""
    create, make_arn = models.ELBv2Backend.create_load_balancer, models.make_arn_for_load_balancer
    types = {"network": "net", "gateway": "gwy"}
    current = threading.local()

    def make_arn_for_load_balancer(*args: Any, **params: Any) -> str:
        return str(make_arn(*args, **params)).replace("loadbalancer/app/", f"loadbalancer/{current.kind}/", 1)

    @functools.wraps(create)
    def create_load_balancer(self: Any, *args: Any, **params: Any) -> Any:
        current.kind = types.get(str(params.get("loadbalancer_type")), "app")
        return create(self, *args, **params)

    models.make_arn_for_load_balancer = make_arn_for_load_balancer
    create_load_balancer.with_type = True  # type: ignore[attr-defined]  # a mark, so that it is done once
    return create_load_balancer


def _with_ports(models: Any) -> None:
    """Target groups in which one address or instance may be a target at several ports, as at AWS; moto keeps one.

    "Register targets for your Application Load Balancer target group" (Elastic Load Balancing User Guide).
    """
    group: Any = models.FakeTargetGroup
    register, health_for = group.register, group.health_for

    def key(self: Any, target: dict[str, Any]) -> str:
        return f"{target['Id']}:{target.get('Port', self.port)}"

    def registered(self: Any, targets: list[dict[str, Any]]) -> None:
        for target in targets:
            register(self, [target])
            self.targets[key(self, target)] = self.targets.pop(target["Id"])

    def deregister(self: Any, targets: list[dict[str, Any]]) -> None:
        for target in targets:      # without a port: at each of its ports
            names = [name for name, each in self.targets.items()
                     if each["Id"] == target["Id"] and ("Port" not in target or name == key(self, target))]
            if not names:
                raise models.InvalidTargetError()
            for name in names:
                self.deregistered_targets[target["Id"]] = self.targets.pop(name)

    def deregister_terminated_instances(self: Any, instance_ids: list[str]) -> None:
        for name, target in list(self.targets.items()):
            if target["Id"] in instance_ids:
                self.terminated_targets[target["Id"]] = self.targets.pop(name)

    def health(self: Any, target: dict[str, Any], ec2_backend: Any) -> Any:
        found = self.targets.get(key(self, target))
        if found is None:
            return health_for(self, target, ec2_backend)
        self.targets[target["Id"]] = found      # where moto looks
        try:
            return health_for(self, target, ec2_backend)
        finally:
            del self.targets[target["Id"]]

    group.register, group.deregister, group.health_for = registered, deregister, health
    group.deregister_terminated_instances = deregister_terminated_instances


def _instance_profile(
    account_id: str, partition: str, iam_instance_profile_arn: Any, iam_instance_profile_name: Any
) -> Any:
    """A profile as moto's EC2 reads it: by ARN and id."""
    name = iam_instance_profile_name or str(iam_instance_profile_arn).rpartition("/")[2]
    arn = iam_instance_profile_arn or f"arn:{partition}:iam::{account_id}:instance-profile/{name}"
    return SimpleNamespace(arn=arn, id=f"AIPA{abs(hash(arn)) % 10**16:016}", name=name)
