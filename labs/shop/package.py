"""The shop's own code as one zip file in a ConfigMap, for nodes that run programs of this machine instead of images.

``python -m labs.shop.package --namespace shop-dev | kubectl apply --server-side -f -``; a pod mounts the ConfigMap
``shop-code`` and has ``shop.zip`` on its ``PYTHONPATH`` (``deploy/components/process-nodes``).
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KINDS = (".py", ".html", ".css", ".svg", ".sql")
MOST_BYTES = 1 << 20  # of a ConfigMap ("ConfigMaps", Kubernetes documentation)


def archive() -> bytes:
    """The zip file; the same bytes for the same code."""
    packed = io.BytesIO()
    paths = [HERE.parent / name for name in ("__init__.py", "errors.py", "locks.py")]
    paths += [path for path in sorted(HERE.rglob("*")) if path.suffix in KINDS and "deploy" not in path.parts]
    with zipfile.ZipFile(packed, "w") as made:
        for path in paths:
            entry = zipfile.ZipInfo(str(path.relative_to(HERE.parents[1])), (2026, 1, 1, 0, 0, 0))
            made.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def config_map(namespace: str) -> dict[str, Any]:
    """The ConfigMap ``shop-code``."""
    code = archive()
    assert len(code) < MOST_BYTES, f"{len(code)} bytes do not fit into a ConfigMap"
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "shop-code", "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "shop"}},
        "binaryData": {"shop.zip": base64.b64encode(code).decode()},
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the ConfigMap as JSON."""
    parser = argparse.ArgumentParser(prog="python -m labs.shop.package", description=__doc__.splitlines()[0])
    parser.add_argument("--namespace", required=True)
    print(json.dumps(config_map(parser.parse_args(arguments).namespace)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
