"""Becomes a service: ``python -S -E launch.py PID_FILE COMMAND…``.

Before it execs, the process kills what an earlier run of the same service left (children that outlived a SIGKILL), and
asks the kernel to be killed when the supervisor dies (PR_SET_PDEATHSIG, prctl(2); it survives execve), so that no
service runs unwatched.  Every process of a service carries two variables in its environment, by which it is found
again: ``LABS_SERVICE_OF`` (the home) and ``LABS_SERVICE`` (the name).  Standard library only; takes 30 ms.
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def find(home: str, name: str | None = None, mark: str = "LABS_SERVICE_OF") -> list[int]:
    """Process ids that carry this home's mark (and this service's), the asking process excepted."""
    wanted = {os.fsencode(f"{mark}={home}")}
    if name is not None:
        wanted.add(os.fsencode(f"LABS_SERVICE={name}"))
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/environ", "rb") as environment:
                if wanted <= set(environment.read().split(b"\0")):
                    found.append(int(entry))
    return found


def kill(pids: list[int], number: int = signal.SIGKILL) -> None:
    """Send signal ``number``; a process that is gone already is fine."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def die_with_parent(parent: int, number: int = signal.SIGKILL) -> None:
    """Have the kernel end this process with its parent (a process id); raises OSError where it cannot.

    :param number: the signal that the kernel sends, for a program that has its own children to end
    """
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if parent != os.getppid():
        sys.exit("the parent died while this process started")


def main() -> None:
    """Exec the command, or exit with the reason."""
    pid_file, *command = sys.argv[1:]
    kill(find(os.environ["LABS_SERVICE_OF"], os.environ["LABS_SERVICE"]))
    with open(pid_file, encoding="ascii") as supervisor:
        die_with_parent(int(supervisor.read()))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
