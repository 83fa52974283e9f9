"""AWS services that no engine has, or that must know who is asking: each module answers the calls of one service.

A provider is ``async handle(call, caller, ctx) -> dict``: it gets a ``labs.aws.gateway.calls.ServiceCall`` that has
already been authenticated and authorised, and returns botocore's result shape or raises ``AwsError``.  Providers may
import ``calls`` and ``credentials`` of ``labs.aws.gateway``, and ``labs.aws.iam``, which imports none of them.
"""
