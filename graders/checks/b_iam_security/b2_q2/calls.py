"""The app's association with the learner's session policy, and what its pods then try."""

from __future__ import annotations

from typing import Any

from graders.checks.b_iam_security.probes import account_of
from labs.scenarios.b_iam_security.b2 import associate, keys_of, pod_identity

OBJECT_HINT = (
    "s3:GetObject acts on objects: its ARN is the bucket's, a slash, and the app's own folder. What the session policy "
    "does not allow, the pod does not have."
)
LIST_HINT = "s3:ListBucket acts on the bucket, whose ARN has no slash; the folder is a condition on s3:prefix."
WIDE_HINT = "The session policy allows more than the app's own folder: narrow its Resource."


class Pod:
    """A pod of the app with the shared role and the learner's session policy.

    :raises botocore.exceptions.ClientError: EKS refuses the policy
    """

    def __init__(self, policy: dict[str, Any], live: Any) -> None:
        self.aws, self.values = account_of(live)
        associate(self.aws, self.values, policy)
        self.s3 = self.aws.client_as("s3", **keys_of(pod_identity(self.aws, self.values)))
        self.bucket, self.app, self.neighbour = (self.values[name] for name in ("bucket", "app", "neighbour"))

    def get(self, folder: str) -> Any:
        return self.s3.get_object(Bucket=self.bucket, Key=f"{folder}/today.csv")

    def list(self, prefix: str) -> Any:
        return self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)

    def put(self) -> Any:
        return self.s3.put_object(Bucket=self.bucket, Key=f"{self.app}/today.csv", Body=b"id,total\n")

    def delete(self) -> Any:
        return self.s3.delete_object(Bucket=self.bucket, Key=f"{self.app}/old.csv")

    def open_bucket(self) -> Any:
        return self.s3.delete_bucket_policy(Bucket=self.bucket)
