"""Makes or repairs the environment the course runs in, and prints the path of its Python.

    python3 scripts/environment.py [--dev]

The first that applies: ``LABS_VENV`` (a virtual environment at that path), an activated conda or virtual environment
that holds the required packages, else ``.venv`` in the clone.  Packages come from requirements.lock (``--dev``:
requirements-dev.lock), hashes checked, through uv where it is on PATH and pip elsewhere.  A stamp in the environment
names what it was made from, so that a second run takes milliseconds; an environment without a stamp was interrupted and
is made anew.  Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent
LOCKS = {False: CLONE / "requirements.lock", True: CLONE / "requirements-dev.lock"}
STAMP = "course-stamp"


def say(line: str) -> None:
    """Progress goes to stderr; stdout holds the answer."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Print the Python to use; exits with the failed step when one fails."""
    dev = "--dev" in sys.argv[1:]
    active = activated()
    if active is not None:
        if satisfies(active, LOCKS[dev]):
            print(install_course(active))
            return 0
        say(f"{active} lacks packages of {LOCKS[dev].name}; using an environment of the course's own.")
    folder = Path(os.environ.get("LABS_VENV") or CLONE / ".venv").expanduser().absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{folder}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)        # another start may be making it; then it is ready afterwards
        print(made(folder, dev))
    return 0


def activated() -> Path | None:
    """The Python of the activated environment, unless it is the course's own or LABS_VENV decides."""
    if os.environ.get("LABS_VENV"):
        return None
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        python = Path(os.environ.get(name) or "/nonexistent") / "bin" / "python"
        if python.is_file() and python.parent.parent != CLONE / ".venv":
            return python
    return None


def satisfies(python: Path, lock: Path) -> bool:
    """Whether every package that pyproject.toml asks for is there (its versions were the solver's business)."""
    asked = (
        "import importlib.metadata as m, re, sys, tomllib\n"
        "course = tomllib.load(open(sys.argv[1], 'rb'))\n"
        "names = course['project']['dependencies']\n"
        "names += course['dependency-groups']['dev'] if sys.argv[2] == '1' else []\n"
        "for name in names: m.version(re.match(r'[\\w.-]+', name)[0])\n"
    )
    dev = str(int(lock == LOCKS[True]))
    done = subprocess.run([python, "-c", asked, CLONE / "pyproject.toml", dev], capture_output=True, check=False)
    return done.returncode == 0


def install_course(python: Path) -> Path:
    """Make `lab` and the entry points known in an environment somebody else made."""
    seen = subprocess.run(
        [python, "-c", "import labs, pathlib, importlib.metadata as m; m.version('production-labs');"
                       "print(pathlib.Path(labs.__file__).resolve().parent.parent)"],
        capture_output=True, text=True, check=False, cwd="/")
    if seen.stdout.strip() != str(CLONE):
        say(f"installing the course into {python.parent.parent}")
        run([python, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "-e", CLONE])
    return python


def made(folder: Path, dev: bool) -> Path:
    """A virtual environment at ``folder`` that holds the locked packages; returns its Python."""
    python, stamp_file = folder / "bin" / "python", folder / STAMP
    has = stamp_file.read_text(encoding="utf-8").split("\n") if stamp_file.is_file() and works(python) else []
    # the larger lock holds the smaller one
    if stamp(dev) in has or (not dev and stamp(True) in has):
        return python
    if not has:
        if folder.exists():
            if not (folder / "pyvenv.cfg").is_file() and any(folder.iterdir()):
                raise SystemExit(f"{folder} is not a virtual environment; it is left alone. Set LABS_VENV elsewhere.")
            say(f"{folder} is incomplete or stale; making it again")
            shutil.rmtree(folder)
        say(f"making {folder} (once; takes one to three minutes)")
        run([sys.executable, "-m", "venv", folder])
    stamp_file.unlink(missing_ok=True)
    install(python, LOCKS[dev])
    run([python, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "-e", CLONE])
    fresh = stamp_file.with_suffix(".new")
    fresh.write_text(stamp(dev) + "\n", encoding="utf-8")
    fresh.replace(stamp_file)
    return python


def stamp(dev: bool) -> str:
    """What the environment depends on: the lock, the entry points, where the clone and its Python are."""
    total = hashlib.sha256()
    total.update(LOCKS[dev].read_bytes())
    project = tomllib.loads((CLONE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    total.update(json.dumps(project, sort_keys=True).encode())
    total.update(f"{CLONE}\0{sys.version_info[:2]}".encode())
    return f"{'dev' if dev else 'run'} {total.hexdigest()}"


def works(python: Path) -> bool:
    """Whether the interpreter starts: the Python an environment was made from may have gone."""
    return python.exists() and subprocess.run([python, "-c", ""], check=False).returncode == 0


def install(python: Path, lock: Path) -> None:
    """Install the lock, by uv if that is there and succeeds, else by pip."""
    uv = shutil.which("uv")
    if uv:
        done = subprocess.run([uv, "pip", "install", "-q", "--python", python, "--require-hashes", "-r", lock],
                              stdout=sys.stderr, check=False)
        if done.returncode == 0:
            return
        say("uv did not manage; trying pip")
    run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes", "-r", lock])


def run(command: list[object]) -> None:
    """Run a step with its output on stderr; ends with its command line when it fails."""
    words = [str(word) for word in command]
    if subprocess.run(words, stdout=sys.stderr, check=False).returncode != 0:
        raise SystemExit(f"This failed, see above: {' '.join(words)}\n{advice(words)}")


def advice(words: list[str]) -> str:
    """What to do about a failed step."""
    if re.search(r"-m venv", " ".join(words)):
        return "On Debian and Ubuntu: apt-get install python3-venv."
    return "Check the network and run the same command again; it goes on from here."


if __name__ == "__main__":
    sys.exit(main())
