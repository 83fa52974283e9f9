"""Certificates on the embedded cluster: `lab up certificates`.

Two services, programs of this machine: ``acme`` is pebble, an authority that speaks ACME and proves names by HTTP-01
through the ingress; ``certificates`` is cert-manager's controllers and webhook in one process, with an account in the
cluster.

    services.py     the two services
    __main__.py     prepares what each needs and becomes it
    manifests.py    what cert-manager needs in the cluster: an account, what that may do, its webhook, ClusterIssuers
    authorities.py  the internal authority's root and intermediate, and the file of roots to trust
    account.py      ACME accounts that pebble has forgotten
    crds/           cert-manager's (1.21.2, Apache-2.0) without descriptions, open where nobody here has what is meant
"""
