"""Traefik as the ingress controller of the embedded cluster: `lab up ingress`.

A program of this machine, with an account in the cluster; it connects to pods itself (``labs.cluster.network.ends``).

    services.py     the service
    manifests.py    what it needs in the cluster: an account, what that may do, the IngressClass
    flags.py        Traefik's settings
    __main__.py     prepares all of it and becomes Traefik
    gateway_api.py  gives the cluster the Gateway API
    crds/           Gateway API 1.6.1 (sigs.k8s.io/gateway-api, standard channel, Apache-2.0) without descriptions
"""
