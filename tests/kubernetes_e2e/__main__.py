"""Kubernetes' own end-to-end tests against a cluster: ``python -m tests.kubernetes_e2e [--focus …]``.

Builds ``e2e.test`` and ``agnhost`` of the version that the toolbox pins (Go; once, ten minutes, into the toolbox's
cache), makes the images that the tests want out of them and of this machine's programs (Debian: busybox-static, bash,
nginx-light, curl, netcat-openbsd, bind9-dnsutils), loads them into the embedded cluster that runs in LABS_HOME
(``lab up kubernetes`` first), and runs what the two expressions choose.  Results are kept in the state folder: a test
that passed is not run again unless --anew; ``--table`` prints them by area.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from labs.cluster.images import build as builder
from labs.cluster.images.names import named
from labs.cluster.images.store import Store, of_home
from labs.services import state
from labs.toolbox import cache, programs

MODULE = Path(programs.__file__).with_name("build") / "kubernetes"
VERSION = programs.tool("kube-apiserver").version
PACKAGES = {"agnhost": ["build", "k8s.io/kubernetes/test/images/agnhost"],
            "nnp": ["build", "k8s.io/kubernetes/test/images/nonewprivs"],
            "ginkgo": ["build", "github.com/onsi/ginkgo/v2/ginkgo"],
            "e2e.test": ["test", "-c", "-vet=off", "k8s.io/kubernetes/test/e2e"]}  # fmt: skip
REGISTRY = "registry.k8s.io/e2e-test-images"
SECONDS = 6 * 3600
# What each image is made of, beside the programs in it; the names are those of test/utils/image/manifest.go.
BUSYBOX = "FROM scratch\nCOPY . /\nENV PATH=/bin\n"
IMAGES = {
    f"{REGISTRY}/agnhost:2.66.1": BUSYBOX + 'EXPOSE 80\nENTRYPOINT ["/agnhost"]\nCMD ["pause"]\n',
    f"{REGISTRY}/agnhost:2.55": BUSYBOX + 'ENTRYPOINT ["/agnhost"]\nCMD ["pause"]\n',
    f"{REGISTRY}/busybox:1.37.0-2": BUSYBOX + 'CMD ["sh"]\n',
    f"{REGISTRY}/nautilus:1.8": BUSYBOX + 'EXPOSE 80\nCMD ["httpd", "-f", "-p", "80", "-h", "/html"]\n',
    f"{REGISTRY}/kitten:1.8": BUSYBOX,
    f"{REGISTRY}/nonroot:1.5": BUSYBOX + "USER 1234\nCMD ['sh']\n".replace("'", '"'),
    "registry.k8s.io/pause:3.10.2": BUSYBOX + 'ENTRYPOINT ["/agnhost", "pause"]\n',
    f"{REGISTRY}/nginx:1.27.0-2": BUSYBOX + 'CMD ["/bin/nginx"]\n',
    f"{REGISTRY}/nginx:1.28.0-2": BUSYBOX + 'CMD ["/bin/nginx"]\n',
    f"{REGISTRY}/glibc-dns-testing:2.1.1": BUSYBOX + 'CMD ["sh"]\n',
    # no set-uid bit, which layers do not keep: it would give nothing to a process in a jail
    f"{REGISTRY}/nonewprivs:1.4": BUSYBOX + 'CMD ["/nnp"]\n',
}  # fmt: skip
RESOLVING = {"dig": "bind9-dnsutils", "getent": "libc-bin"}
NGINX = """daemon off; master_process off; error_log /dev/stderr; pid /tmp/nginx.pid; events {}
http { access_log off; types { text/html html; } server { listen 80; root /usr/share/nginx/html; } }
"""


def built() -> Path:
    """The folder with agnhost and e2e.test, built now or before."""
    folder = cache() / f"e2e-{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    major, minor, _ = VERSION.split(".")
    known = {"gitVersion": f"v{VERSION}", "gitMajor": major, "gitMinor": minor}
    stamp = " ".join(["-s", "-w", *(f"-X k8s.io/component-base/version.{name}={value}"
                                    for name, value in known.items())])
    for name, (verb, *rest) in PACKAGES.items():
        if (folder / name).exists():
            continue
        print(f"building {name} {VERSION}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            for file in ("go.mod", "go.sum"):  # the tests need some modules more; what is pinned stays so
                shutil.copy(MODULE / file, work)
            command = ["go", verb, "-mod=mod", "-trimpath", "-ldflags", stamp, "-o", "made", *rest]
            subprocess.run(command, cwd=work, check=True, env={**os.environ, "CGO_ENABLED": "0"})
            Path(work, "made").replace(folder / name)
    return folder


def _sources() -> Path:
    """Kubernetes' module, in Go's cache."""
    said = subprocess.run(["go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes"], cwd=MODULE, check=True,
                          capture_output=True, text=True).stdout
    return Path(said.strip())


def make_images(store: Store, programs_in: Path, anew: bool) -> None:
    """Every image of IMAGES that the store does not have, or each of them anew."""
    there = set() if anew else {str(entry.name) for entry in store.entries()}
    for name, recipe in IMAGES.items():
        if str(named(name)) in there:
            continue
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            (folder / "bin").mkdir()
            shutil.copy(shutil.which("busybox") or "busybox", folder / "bin" / "busybox")
            listed = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout
            for applet in set(listed.split()) - {"busybox"}:
                (folder / "bin" / applet).symlink_to("busybox")
            # Debian's busybox sh drops variables such as data-1, and takes its own nc before any other
            _programs(folder, {"bash": "bash"})
            (folder / "bin" / "sh").unlink()
            (folder / "bin" / "sh").symlink_to("bash")
            (folder / "tmp").mkdir(mode=0o777)
            (folder / "etc").mkdir()
            (folder / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
            (folder / "etc" / "group").write_text("root:x:0:\nnogroup:x:65534:\nnobody:x:65534:\n")
            if "/agnhost" in recipe:
                _programs(folder, {"curl": "curl", "nc.openbsd": "netcat-openbsd", **RESOLVING})
                shutil.copy(programs_in / "agnhost", folder / "agnhost")
                for file in ("localhost.crt", "localhost.key"):     # of `agnhost porter`
                    shutil.copy(_sources() / "test" / "images" / "agnhost" / "porter" / file, folder / file)
                (folder / "agnhost-2").symlink_to("agnhost")
            if "glibc" in name:
                _programs(folder, RESOLVING)
            if "/nnp" in recipe:
                shutil.copy(programs_in / "nnp", folder / "nnp")
            if "nginx" in recipe:
                _nginx(folder)
            if "/html" in recipe:
                (folder / "html").mkdir()
                (folder / "html" / "data.json").write_text('{"image":"nautilus.jpg"}')
            if "kitten" in name:
                (folder / "data.json").write_text('{"image":"kitten.jpg"}')
                (folder / "etc" / "os-release").write_text("ID=labs\n")
            (folder / "Dockerfile").write_text(recipe)
            (folder / ".dockerignore").write_text("Dockerfile\n.dockerignore\n")
            builder.build(store, folder, folder / "Dockerfile", {}, "", [named(name)], lambda line: None)
        print(f"made {name}", file=sys.stderr, flush=True)


def _programs(folder: Path, packages: dict[str, str]) -> None:
    """Programs of this machine, named without their ending, and the libraries they load, below a root."""
    for name, package in packages.items():
        program = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
        if program is None:
            raise SystemExit(f"{name} is not here: install Debian's {package}")
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        own = folder / "bin" / name.partition(".")[0]
        own.unlink(missing_ok=True)     # an applet of busybox's
        shutil.copy(program, own)
        for path in re.findall(r"(/\S+)", listed):
            (folder / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / path[1:])


def _nginx(folder: Path) -> None:
    _programs(folder, {"nginx": "nginx-light"})
    for path, text in {"etc/nginx/nginx.conf": NGINX, "usr/share/nginx/html/index.html": "<h1>nginx</h1>\n"}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    for path in ("var/log/nginx", "var/lib/nginx"):
        (folder / path).mkdir(parents=True)


def results(folder: Path) -> dict[str, tuple[str, str]]:
    """test → (passed, failed; the first line of why), of all runs so far, the last one counts."""
    found: dict[str, tuple[str, str]] = {}
    for report in sorted(folder.glob("junit_*.xml")):
        for case in ElementTree.parse(report).iter("testcase"):
            name = (case.get("name") or "").removeprefix("[It] ")
            status = case.get("status", "")
            if name.startswith("[sig-") and status not in ("skipped", "pending", "interrupted"):
                failure = case.find("failure")
                why = "" if failure is None else (failure.get("message") or failure.text or "").strip()
                found[name] = ("passed" if failure is None and status == "passed" else "failed", why)
    return found


def table(found: dict[str, tuple[str, str]]) -> str:
    """Markdown: passed and failed by area, then what failed."""
    count = Counter((name.split()[0] + " " + name.split(" ")[1], result) for name, (result, _) in found.items())
    areas = sorted({area for area, _ in count})
    lines = ["| area | passed | failed |", "|---|---|---|"]
    lines += [f"| {area} | {count[area, 'passed']} | {count[area, 'failed']} |" for area in areas]
    total = Counter(result for result, _ in found.values())
    lines += [f"| all | {total['passed']} | {total['failed']} |", ""]
    return "\n".join(lines + [f"- {name}" for name, (result, _) in sorted(found.items()) if result == "failed"])


def main() -> int:
    """Exit status of e2e.test."""
    parser = argparse.ArgumentParser(prog="python -m tests.kubernetes_e2e", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--focus", default=r"\[Conformance\]", help="run what matches; default: all of conformance")
    parser.add_argument("--skip", default=r"\[Serial\]|\[Disruptive\]|\[Slow\]", help="leave out what matches")
    parser.add_argument("--jobs", type=int, default=4, help="tests at a time; default: 4")
    parser.add_argument("--anew", action="store_true", help="make every image again; run also what has passed before")
    parser.add_argument("--table", action="store_true", help="print the results there are, run nothing")
    options = parser.parse_args()
    home = state.make_home()
    folder = home / "kubernetes-e2e"
    folder.mkdir(exist_ok=True)
    if options.table:
        print(table(results(folder)))
        return 0
    there = built()
    make_images(of_home(home), there, options.anew)
    skip = options.skip
    if not options.anew:
        passed = [name for name, (how, _) in results(folder).items() if how == "passed"]
        skip = "|".join(filter(None, [skip, *(re.escape(name.split(" [Conformance]")[0]) for name in passed)]))
    number = len(list(folder.glob("log_*.txt")))
    command = [str(there / "ginkgo"), f"--procs={options.jobs}", f"--focus={options.focus}", f"--skip={skip}",
               "--no-color", "--succinct", f"--timeout={SECONDS}s", f"--output-dir={folder}",
               f"--junit-report=junit_{number:04}.xml", str(there / "e2e.test"), "--",
               f"-kubeconfig={home / 'kubeconfig'}", "-provider=skeleton", "-dump-logs-on-failure=false"]  # fmt: skip
    with (folder / f"log_{number:04}.txt").open("w") as log:
        print(f"running; its log is {log.name}", file=sys.stderr, flush=True)
        running = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        for _ in range(2):  # ginkgo writes its report when it is interrupted; a second Ctrl-C ends it at once
            try:
                status = running.wait()
                break
            except KeyboardInterrupt:
                print("ending; what has been run is kept", file=sys.stderr, flush=True)
                os.killpg(running.pid, signal.SIGINT)
        else:
            os.killpg(running.pid, signal.SIGKILL)
            status = running.wait()
    print(table(results(folder)))
    return status


if __name__ == "__main__":
    sys.exit(main())
