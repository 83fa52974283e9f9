"""Which rungs this host offers, how each makes its view, and which promises hold on it.

    files        reads nothing but what is granted, changes nothing outside the writable folder
    network      opens no socket but TCP over IP, and Unix sockets where granted: no UDP, no raw packets
    ports        connects to and listens on the granted TCP ports only
    processes    starts no more processes and threads than granted
    others       cannot signal, trace, or read memory or environment of processes outside
    privileges   gains none: no set-uid, no capability that opens anything, another uid when root starts it
    limits       memory, CPU time, wall time, output and file sizes end it
    gone         nothing it started is alive afterwards, daemons included
    view         does not even see that other files and processes exist (not required by default)
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labs.errors import PermanentError, TemporaryError
from labs.jail import confine, landlock, seccomp, view
from labs.jail.spec import Root, Spec, runtime

RUNGS = ("bubblewrap", "proot", "plain")
PROBE_SECONDS = 20.0
PACKAGE = Path(__file__).resolve().parent
SOURCES = (str(PACKAGE), str(PACKAGE.parent / "__init__.py"), str(PACKAGE.parent / "errors.py"))
PYTHON = os.path.realpath(sys.executable)


@dataclass(frozen=True, slots=True)
class Report:
    """What holds on this host.

    :param rung: the rung a spec without mounts runs on
    :param kept: promise → by what it is kept
    :param missing: promise → what it would need
    :param unavailable: rung → why this host does not have it
    """

    rung: str
    kept: Mapping[str, str]
    missing: Mapping[str, str]
    unavailable: Mapping[str, str]


def python_command(module: str) -> list[str]:
    """Run ``labs.jail.<module>.main(FD)``; FD is the last word.  No site-packages, no environment: it starts fast."""
    code = f"import sys; sys.path.insert(0, {str(PACKAGE.parents[1])!r}); from labs.jail.{module} import main; " \
           "main(int(sys.argv[1]))"
    return [PYTHON, "-I", "-S", "-c", code]


def hosts_python(module: str) -> list[str]:
    """As ``python_command`` where the host lies below ``view.HOST``: its loader, its libraries, its Python."""
    import ctypes  # noqa: F401 (its library is to be among those that are mapped)

    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        mapped = {os.path.realpath(fields[5]) for line in file if len(fields := line.split()) == 6
                  and fields[5].startswith("/") and ".so" in fields[5]}
    loader = next((path for path in mapped if os.path.basename(path).startswith("ld-")), "")
    folders = sorted({view.HOST + os.path.dirname(path) for path in mapped if "site-packages" not in path})
    code = f"import sys; sys.path.insert(0, {view.HOST + str(PACKAGE.parents[1])!r}); " \
           f"from labs.jail.{module} import main; main(int(sys.argv[1]))"
    start = [view.HOST + loader, "--library-path", ":".join(folders)] if loader else []
    return [*start, view.HOST + PYTHON, "-s", "-S", "-P", "-c", code]


def promises(rung: str | None = None, spec: Spec | None = None) -> Report:
    """What is kept on a rung (the best one by default) for a spec (one that may use a TCP port by default)."""
    spec = spec or Spec(connect=(443,), readable=runtime())
    chosen = rung or choose(spec)
    kept, missing = judge(chosen, spec.plan())
    return Report(chosen, kept, missing, unavailable())


def judge(rung: str, plan: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """(promise → by what, promise → what it would need) for a plan on a rung."""
    linux, version, filtered = sys.platform == "linux", plan["landlock"], seccomp.available()
    view = rung == "bubblewrap"
    plain = not plan["connect"] and not plan["bind"]
    by = "the supervisor, which makes every connection" if plan["network"] else "the seccomp filter"
    uid_left = plan["uid"] is None or view or bool(version) or not (
        plan["root"] or confine.out_of_reach(plan, plan["uid"]))
    files = "a view of its own" if view else "Landlock and the seccomp filter" if version >= 3 and filtered else ""
    table = {
        "files": (files, "bubblewrap, or Landlock 3 (Linux 6.2) on x86_64 or aarch64"),
        "network": ("the seccomp filter" if filtered else "", "Linux on x86_64 or aarch64"),
        "ports": (by if filtered and plain else "Landlock" if filtered and version >= 4 else "",
                  "Landlock 4 (Linux 6.7)"),
        "processes": ("RLIMIT_NPROC and the supervisor" if linux else "", "Linux"),
        "others": (("a process namespace" if view else "Landlock" if version >= 6 else "the seccomp filter")
                   if filtered and files else "", "the seccomp filter, with bubblewrap or Landlock 3"),
        "privileges": ("no_new_privs" + ("" if plan["uid"] is None else f", uid {plan['uid']}")
                       if linux and uid_left else "", "Landlock, or an interpreter that other users may read"),
        "limits": ("resource limits and the supervisor" if linux else "", "Linux"),
        "gone": ("a process namespace" if view else "a process group nobody leaves, and a subreaper" if filtered
                 else "", "bubblewrap, or the seccomp filter"),
        "view": ("namespaces" if view else "", "bubblewrap and user namespaces"),
    }
    kept = {name: by for name, (by, _) in table.items() if by}
    return kept, {name: needs for name, (by, needs) in table.items() if not by}


def choose(spec: Spec) -> str:
    """The rung for a spec; raises PermanentError when the one it asks for is not there."""
    gone = unavailable()
    if spec.rung is not None:
        if spec.rung not in RUNGS:
            raise PermanentError(f"There is no rung {spec.rung!r}.", f"The rungs are {', '.join(RUNGS)}.")
        if spec.rung in gone:
            raise PermanentError(f"The {spec.rung} rung is not available: {gone[spec.rung]}.", REMEDY)
        if spec.rung == "plain" and (spec.mounts or spec.root):
            raise PermanentError("The plain rung has no mounts and no root file system of its own.", REMEDY)
        return spec.rung
    usable = [rung for rung in RUNGS if rung not in gone]
    if (spec.mounts or spec.root) and usable == ["plain"]:
        raise PermanentError(f"Mounts and a root file system need bubblewrap or PRoot: {gone['bubblewrap']}; "
                             f"{gone['proot']}.", REMEDY)
    if "bubblewrap" in usable:
        return "bubblewrap"
    # PRoot costs 0.4 s a start, and keeps no promise but the view
    return "proot" if spec.mounts or spec.root else "plain"


REMEDY = "Install bubblewrap or proot (Debian, conda-forge), or allow user namespaces; docs/jail.md says more."


def unavailable() -> dict[str, str]:
    """Rung → why this host does not have it; looked at once per process."""
    found = {"bubblewrap": bubblewrap_options()[1], "proot": proot_loader()[1]}
    return {rung: why for rung, why in found.items() if why}


@functools.cache
def bubblewrap_options() -> tuple[tuple[str, ...], str]:
    """(what this host's bubblewrap can do of ``proc`` and ``net``, why it can do nothing at all or "")."""
    if sys.platform != "linux":
        return (), "it needs Linux"
    if shutil.which("bwrap") is None:
        return (), "the program bwrap is not installed"
    said = ""
    plan = Spec(readable=runtime()).plan() | {"readable": list(runtime())}
    for options in (("proc", "net"), ("proc",), ("net",), ()):
        command = [*bubblewrap(plan, options), "--", PYTHON, "-I", "-S", "-c", "pass"]
        try:
            done = subprocess.run(command, capture_output=True, timeout=PROBE_SECONDS, check=False, env={})
        except (OSError, subprocess.TimeoutExpired) as error:
            return (), str(error)
        if done.returncode == 0:
            return options, ""
        said = done.stderr.decode("utf-8", "replace").strip()[-200:]
    return (), f"bwrap says: {said}"


@functools.cache
def proot_loader() -> tuple[bytes, str]:
    """(the small program through which PRoot runs every other, why PRoot cannot be used or "").

    PRoot writes it where and with a mode that a jailed program could not execute, so it is kept and handed back to it.
    """
    if sys.platform != "linux":
        return b"", "it needs Linux"
    if shutil.which("proot") is None:
        return b"", "the program proot is not installed"
    code = ("import sys; path = next(line.split()[-1] for line in open('/proc/self/maps') if 'prooted-' in line); "
            "sys.stdout.buffer.write(open(path, 'rb').read())")
    command = [shutil.which("proot") or "proot", "-w", "/", PYTHON, "-I", "-S", "-c", code]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PROBE_SECONDS, check=False, env={}, cwd="/")
    except (OSError, subprocess.TimeoutExpired) as error:
        return b"", str(error)
    if done.returncode or not done.stdout.startswith(b"\x7fELF"):
        return b"", f"proot says: {done.stderr.decode('utf-8', 'replace').strip()[-200:]}"
    return done.stdout, ""


def proot_environment(scratch: str) -> dict[str, str]:
    """What PRoot reads from its environment, not the command's."""
    return {"PROOT_LOADER": os.path.join(scratch, "loader"), "PROOT_TMP_DIR": scratch, "PROOT_DONT_POLLUTE_ROOTFS": "1",
            "PYTHONHOME": view.HOST + os.path.realpath(sys.base_prefix)}     # read by ``hosts_python`` alone


def wrap(rung: str, plan: Mapping[str, Any], scratch: str) -> list[str]:
    """The command that makes the rung's view and starts ``confine`` in it; empty on the plain rung.

    :param scratch: an empty folder for as long as the jail runs (PRoot's)
    """
    if rung == "plain":
        return []
    if rung == "bubblewrap":
        return [*bubblewrap(plan, bubblewrap_options()[0]), "--", *python_command("confine")]
    return [*proot(plan, scratch), *(hosts_python("confine") if plan["root"] else python_command("confine"))]


def bubblewrap(plan: Mapping[str, Any], options: tuple[str, ...]) -> list[str]:
    """Namespaces, and a root of nothing but the granted paths.  Root keeps what it needs to become another uid."""
    made = [shutil.which("bwrap") or "bwrap", "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    root = plan["root"]
    if os.getuid() == 0:
        made += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]
    else:
        made += ["--unshare-user"]
    if root:
        made += _capabilities_for_a_root()
        if os.getuid() != 0:
            made += ["--uid", str(root["uid"]), "--gid", str(root["gid"])]
        if root["hostname"]:
            made += ["--hostname", root["hostname"]]
    if "net" in options and not any(plan[name] for name in ("connect", "bind", "unix_sockets", "network")):
        made += ["--unshare-net"]
    granted = dict.fromkeys([*plan["readable"], *runtime(), *SOURCES])
    mounts = [(source, f"{view.MOUNTS}/{index}" if root else target, writable)
              for index, (source, target, writable) in enumerate(plan["mounts"])]
    if root and root["changes"]:
        mounts += [(root["folder"], view.LOWER, False), (root["changes"], view.CHANGES, True)]
        made += ["--dir", view.BASE, "--dir", view.NEW]
    elif root:
        mounts += [(root["folder"], view.NEW, True)]
    targets = [*granted, *landlock.DEVICES, *(target for _, target, _ in mounts)]
    targets += [plan["writable"]] if plan["writable"] else []
    for folder in sorted({str(parent) for path in targets for parent in Path(path).parents} - {"/"}):
        made += ["--dir", folder]       # else bubblewrap makes it for root alone
    for path in granted:
        made += ["--ro-bind-try", path, path]
    for device in landlock.DEVICES:
        made += ["--dev-bind-try", device, device]
    if "proc" in options:
        made += ["--proc", "/proc"]
    if own := plan["writable"]:
        # over a mount that holds it (one at /tmp, say), below those in it
        above = [mount for mount in mounts if Path(own).is_relative_to(mount[1])]
        mounts = [*above, (own, own, True), *(mount for mount in mounts if mount not in above)]
    for source, target, writable in mounts:
        made += ["--bind" if writable else "--ro-bind", source, target]
    return [*made, "--remount-ro", "/", "--chdir", "/"]


def _capabilities_for_a_root() -> list[str]:
    """What ``view`` needs before the command, over namespaces of the jail's own; the command gets none of them."""
    needed = ("SYS_ADMIN", "SYS_CHROOT", "SETPCAP", "DAC_OVERRIDE", "FOWNER", "CHOWN")
    return [word for name in needed for word in ("--cap-add", f"CAP_{name}")]


@functools.cache
def notification() -> str:
    """Why jails cannot have networks of their own here (see ``notify``), or ""; tried once."""
    if not seccomp.available():
        return "it needs Linux on x86_64 or aarch64"
    said = {"address": "10.0.0.9", "end": "127.0.0.9", "inside": "127.0.0.8", "pairs": [["10.", "127."]],
            "door": ["127.0.0.7", 9], "greeting": "", "void": "", "hostname": "tried", "direct": [],
            "ports": None}
    code = "import os, socket; a = socket.socket(); a.bind(('10.0.0.9', 0)); a.listen(); " \
           "b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); b.bind(('', 0)); " \
           "print(a.getsockname()[0], b.getsockname()[0], os.uname().nodename)"
    from labs.jail import running  # it imports this module

    spec = Spec(readable=runtime(), network=said, rung="plain", requires=frozenset(), wall_seconds=PROBE_SECONDS)
    try:
        done = running.run(spec, [PYTHON, "-I", "-S", "-c", code], accept_weaker=True)
    except (PermanentError, TemporaryError) as error:
        return str(error)
    told = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
    return "" if told == "10.0.0.9 10.0.0.9 tried" else told[-200:] or f"status {done.status}"


@functools.cache
def overlay() -> str:
    """Why this host's bubblewrap rung cannot keep a root's changes apart from the root, or ""; looked at once."""
    if why := bubblewrap_options()[1]:
        return why
    code = f"import sys; sys.path.insert(0, {str(PACKAGE.parents[1])!r}); from labs.jail import view; " \
           "view.overlay(view.LOWER, view.CHANGES, view.NEW)"
    with tempfile.TemporaryDirectory(prefix="jail-") as made:
        folders = [Path(made, name) for name in ("lower", "changes", f"changes/{view.UPPER}", f"changes/{view.WORK}")]
        for folder in folders:
            folder.mkdir()
        plan = Spec(root=Root(str(folders[0]), str(folders[1]))).plan()
        command = [*bubblewrap(plan, bubblewrap_options()[0]), "--", PYTHON, "-I", "-S", "-c", code]
        try:
            done = subprocess.run(command, capture_output=True, timeout=PROBE_SECONDS, check=False, env={})
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        finally:
            forget(folders[1])
    return done.stderr.decode("utf-8", "replace").strip()[-200:] if done.returncode else ""


def forget(changes: Path) -> None:
    """Remove a folder of changes, also where the command left folders in it that may not be entered."""
    if os.getuid() != 0:
        for folder, names, _ in os.walk(changes):       # top down: a folder is opened up before it is entered
            for name in names:
                path = os.path.join(folder, name)
                if not os.path.islink(path):
                    with contextlib.suppress(OSError):
                        os.chmod(path, 0o700)
    shutil.rmtree(changes, ignore_errors=True)


def proot(plan: Mapping[str, Any], scratch: str) -> list[str]:
    """The same root of granted paths, made by rewriting paths in system calls.  Convenience, no barrier by itself."""
    own = plan["root"]
    root = own["folder"] if own else os.path.join(scratch, "root")
    os.makedirs(root, exist_ok=True)
    os.chmod(scratch, 0o711)
    loader = Path(scratch, "loader")
    loader.write_bytes(proot_loader()[0])
    loader.chmod(0o755)
    made = [shutil.which("proot") or "proot", "-r", root, "-w", "/"]
    if own:
        view.furnish(root, plan)
        if os.getuid() != 0:
            made += ["-i", f"{own['uid']}:{own['gid']}"]
        host = [os.path.realpath(path) for path in (*runtime(), *SOURCES)]
        made += [word for path in dict.fromkeys(host) for word in ("-b", f"{path}:{view.HOST}{path}")]
        made += ["-b", f"{scratch}:{view.BASE}/scratch"]
        made += [word for path in ("/proc", *landlock.DEVICES) for word in ("-b", f"{path}:{path}")]
        return made + [word for source, target, _ in plan["mounts"] for word in ("-b", f"{source}:{target}")]
    writable = [plan["writable"]] if plan["writable"] else []
    paths = [*plan["readable"], *runtime(), *SOURCES, *landlock.DEVICES, *writable, "/proc", scratch]
    for path in dict.fromkeys(path for path in paths if os.path.exists(path)):
        made += ["-b", f"{path}:{path}"]
    for source, target, _ in plan["mounts"]:
        made += ["-b", f"{source}:{target}"]
    return made
