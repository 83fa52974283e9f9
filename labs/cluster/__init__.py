"""Where pods run.  ``drivers.processes`` runs them as jailed processes with an identity of their own.

May use ``labs.jail``, ``labs.toolbox``, ``labs.services`` and ``labs.errors``; knows AWS by the URLs a pod is given.

    drivers/        ways to run pods
    identity/       pods as roles in AWS: the token issuer, web identity, Pod Identity
    controlplane/   etcd, API server, controller manager and scheduler as services
    nodes/          what plays the nodes
    network/        Services, names and policies on loopback
    ingress/        Traefik as the ingress controller
    certificates/   pebble and cert-manager
"""
