"""Pull and push: a store on one side, a registry on the other.

A pull names the image last, when all of it is there; what a kill leaves is reused by the next try, blob by blob.
"""

from __future__ import annotations

import json

from labs.cluster.images.credentials import Access
from labs.cluster.images.names import Name
from labs.cluster.images.registry import Registry, RegistryError
from labs.cluster.images.store import INDICES, Damaged, Descriptor, Store, choose, is_index
from labs.errors import PermanentError


def pull(store: Store, name: Name, access: Access) -> Descriptor:
    """Fetch what is missing and name it.  Raises RegistryError, PermanentError (Damaged among them)."""
    with store.filling(), Registry(name, access.credential, access.server) as registry:
        descriptor, content = registry.manifest(name.reference)
        if name.digest and descriptor["digest"] != name.digest:
            raise Damaged(f"Expected {name.digest}, got {descriptor['digest']}.")
        store.add([content], descriptor["digest"])
        manifest = _manifest(content)
        if is_index(descriptor, manifest):
            descriptor["mediaType"] = descriptor["mediaType"] or INDICES[0]
            chosen = choose(manifest)
            if not store.has(chosen["digest"]):
                below, content = registry.manifest(chosen["digest"])
                store.add([content], chosen["digest"], chosen.get("size") or below["size"])
            manifest = _manifest(store.read(chosen["digest"]))
        for each in (manifest["config"], *manifest["layers"]):
            store.path(each["digest"])      # refuses what is no digest, before it becomes part of a URL
            if not store.has(each["digest"]):
                store.add(registry.blob(each["digest"]), each["digest"], each["size"])
        store.tag(name, descriptor)
    return descriptor


def _manifest(content: bytes) -> dict:  # type: ignore[type-arg]
    try:
        found = json.loads(content)
        if "manifests" in found or ("config" in found and "layers" in found):
            return dict(found)
    except (ValueError, TypeError):
        pass
    raise PermanentError("the registry answered with something that is no image manifest: "
                         f"{content[:80].decode(errors='replace')}")


def push(store: Store, name: Name, target: Name, access: Access) -> str:
    """Send an image of the store to ``target``; returns its digest there.  Raises as ``pull`` does."""
    descriptor = store.find(name)
    if descriptor is None:
        raise PermanentError(f"There is no image {name}.", "`lab image list` shows those there are.")
    parts = store.parts(descriptor)
    digest = parts.descriptor["digest"]
    with Registry(target, access.credential, access.server) as registry:
        for each in (*parts.manifest["layers"], parts.manifest["config"]):
            if not registry.has(each["digest"]):
                registry.upload(each["digest"], store.path(each["digest"]))
        registry.put_manifest(target.tag or digest, parts.manifest.get("mediaType") or parts.descriptor["mediaType"],
                              store.read(digest))
    return str(digest)


__all__ = ["RegistryError", "pull", "push"]
