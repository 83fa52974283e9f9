"""Container images: a store of them, archives, registries, root file systems, and building without a daemon.

May use ``labs.jail``, ``labs.services`` and ``labs.errors``; nodes and the ``lab image`` command use it.

    names.py         references: registry, repository, tag, digest
    store.py         the store below LABS_HOME, an OCI image layout; garbage collection
    layers.py        layers unpacked to a root file system; layers made
    archives.py      OCI and ``docker save`` archives
    registry.py      one registry over HTTP
    credentials.py   whose name and password: dockerconfigjson, ECR
    transfer.py      pull and push: a store on one side, a registry on the other
    dockerfile.py    a Dockerfile as instructions
    build.py         instructions carried out
"""
