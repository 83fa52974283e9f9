"""Runs one command in a root file system of its own, and prints what came of it as JSON: ``a_root.py RUNG ORDER``.

ORDER is JSON: {"script", "folder", "changes", "writable", "uid", "groups"}; the mount is a file beside the folder.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from labs import jail


def main(rung: str, order: dict) -> None:
    folder = Path(order["folder"])
    changes = None
    if order["changes"]:
        changes = folder.parent / "changes"
        changes.mkdir(exist_ok=True)
    mounted, given = folder.parent / "given", folder.parent / "taken"
    mounted.write_text("mounted\n")
    mounted.chmod(0o644)
    given.write_text("")
    given.chmod(0o666)
    root = jail.Root(str(folder), str(changes) if changes else None, order["writable"], order["uid"], order["uid"],
                     tuple(order["groups"]), "a-pod")
    spec = jail.Spec(root=root, rung=rung, processes=20, environment={"PATH": "/bin", "WHAT": "value"},
                     mounts=(jail.Mount(str(mounted), "/data/link/file"), jail.Mount(str(given), "/taken", True)),
                     directory="/srv/work", memory=2**28, wall_seconds=60.0, **order.get("more", {}))
    done = jail.run(spec, ["sh", "-c", order["script"]])
    said = {"out": done.stdout.decode(), "err": done.stderr.decode(), "status": done.status, "limit": done.limit,
            "missing": done.missing, "taken": given.read_text()}
    print(json.dumps(said))


if __name__ == "__main__":
    os.umask(0o077)
    main(sys.argv[1], json.loads(sys.argv[2]))
