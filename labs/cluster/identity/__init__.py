"""Who a pod is towards AWS: the cluster's token issuer, and what EKS puts into pods of accounts that have a role.

May use ``labs.services`` and ``labs.errors``; knows AWS by its listeners' addresses only.

    issuer.py           the name under which the API server signs, and the note by which the AWS endpoint finds its keys
    manifests.py        what a cluster is given: the policy below, who may read the keys, the endpoint's webhook
    web-identity.yaml   the policy that gives pods of an annotated service account a token for AWS
"""
