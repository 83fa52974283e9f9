"""Persistent volumes of the embedded cluster: a local provisioner, mounts, snapshots.  Runs in the service ``nodes``.

May use ``labs.cluster.nodes.api`` and what that uses; the nodes use ``mounts``.

    places.py       where a node's disk is: a folder for each, which is all that hostPath and local volumes see
    mounts.py       which folder a pod's claim, ephemeral volume or hostPath is
    provisioner.py  makes, enlarges and deletes volumes of the class ``standard``
    snapshots.py    VolumeSnapshots: taken, restored from, deleted
    watching.py     objects as they are now, and waking up when they change
    setup.py        what a cluster has of this from its start: classes, CRDs
    crds/           of github.com/kubernetes-csi/external-snapshotter/client/v8 8.6.0, Apache-2.0, unchanged

Sizes are not enforced, as a folder has none.  No block volumes, and none that several nodes share.
"""
