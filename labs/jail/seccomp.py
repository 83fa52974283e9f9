"""The seccomp filter: system calls that a jailed program has no business with, as a classic BPF program.

Numbers are those of x86_64 and aarch64 (``asm/unistd.h``); what is newer than the newest the table was made with does
not exist inside.  Arguments are compared by their lower half where the kernel takes an int.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from collections.abc import Mapping

TYPE_CHECKING = False      # typing takes longer to import than everything else here together
if TYPE_CHECKING:
    from typing import Any

NEWEST = 469        # file_setattr, Linux 6.17
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}     # column below, AUDIT_ARCH_*
PR_SET_SECCOMP, MODE_FILTER = 22, 2
ALLOW, ERRNO, NOTIFY = 0x7FFF0000, 0x00050000, 0x7FC00000
SECCOMP, SET_MODE_FILTER = {"x86_64": 317, "aarch64": 277}, 1
NEW_LISTENER, WAIT_KILLABLE = 8, 32     # the second: once it is heard, only what kills interrupts the call
LOAD, JUMP, JUMP_EQUAL, JUMP_ABOVE, JUMP_BITS, AND, RETURN = 0x20, 0x05, 0x15, 0x25, 0x45, 0x54, 0x06
AF_UNIX, AF_INET, AF_INET6, STREAM, DATAGRAM, SEQPACKET, TCP = 1, 2, 10, 1, 2, 5, 6
MSG_FASTOPEN = 0x20000000       # connects without connect(), which Landlock watches
CLONE_THREAD, CLONE_NEW = 0x10000, 0x7E020000
SET_OWNER = (8, 10, 15)         # F_SETOWN, F_SETSIG, F_SETOWN_EX: signals to others by way of a file
CONTROLS = (0x5412, 0x541C, 0x8901, 0x8902,     # TIOCSTI, TIOCLINUX, FIOSETOWN, SIOCSPGRP
            0x40086602, 0x401C5820)             # FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR

REFUSED: dict[str, tuple[int | None, int | None]] = {
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "process_mrelease": (448, 448),
    "move_pages": (279, 239), "migrate_pages": (256, 238), "perf_event_open": (298, 241),
    # doors into the kernel with a history
    "bpf": (321, 280), "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "fanotify_init": (300, 262), "lookup_dcookie": (212, 18), "nfsservctl": (180, 42), "modify_ldt": (154, None),
    "uselib": (134, None), "vhangup": (153, 58), "quotactl": (179, 60), "quotactl_fd": (443, 443), "acct": (163, 89),
    # views of the file system
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "move_mount": (429, 429),
    "open_tree": (428, 428), "open_tree_attr": (467, 467), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442), "setns": (308, 268),
    "unshare": (272, 97), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    # the machine
    "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "syslog": (103, 116), "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266),
    "adjtimex": (159, 171), "sethostname": (170, 161), "setdomainname": (171, 162), "iopl": (172, None),
    "ioperm": (173, None),
    # ways to others that Landlock does not watch
    "mq_open": (240, 180), "mq_unlink": (241, 181), "ioprio_set": (251, 30),
}
SYSTEM_V: dict[str, tuple[int | None, int | None]] = {
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "semget": (64, 190), "semop": (65, 193),
    "semtimedop": (220, 192), "semctl": (66, 191), "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188),
    "msgctl": (71, 187),
}
ATTRIBUTES: dict[str, tuple[int | None, int | None]] = {
    # what belongs to a file and is not its content: Landlock watches none of it, and the owner may be the same uid
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54), "setxattr": (188, 5),
    "lsetxattr": (189, 6), "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15),
    "fremovexattr": (199, 16), "setxattrat": (463, 463), "removexattrat": (466, 466), "file_setattr": (469, 469),
}
TIDINESS: dict[str, tuple[int | None, int | None]] = {
    # the same, of calls that copying a file makes: programs that only want to be tidy go on
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "utime": (132, None),
    "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
}
JUDGED: dict[str, tuple[int | None, int | None]] = {
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_send_signal": (424, 424), "socket": (41, 198), "socketpair": (53, 199),
    "listen": (50, 201), "sendto": (44, 206), "sendmsg": (46, 211), "sendmmsg": (307, 269), "clone": (56, 220),
    "clone3": (435, 435), "fork": (57, None), "vfork": (58, None), "setsid": (112, 157), "setpgid": (109, 154),
    "prlimit64": (302, 261), "fcntl": (72, 25), "ioctl": (16, 29), "setpriority": (141, 140),
    "sched_setaffinity": (203, 122), "sched_setattr": (314, 274), "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119), "bind": (49, 200), "connect": (42, 203), "accept": (43, 202),
    "accept4": (288, 242), "getsockname": (51, 204), "getpeername": (52, 205), "recvfrom": (45, 207),
    "recvmsg": (47, 212), "recvmmsg": (299, 243), "uname": (63, 160),
}
NOTIFIED = ("bind", "listen", "connect", "accept", "accept4", "getsockname", "getpeername", "sendto", "sendmsg",
            "sendmmsg", "recvfrom", "recvmsg", "recvmmsg", "uname")
"""What ``notify`` answers where the jail has a network of its own, beside ``socket`` for UDP."""

Instruction = tuple[int, int, int, int]     # code, jump if true, jump if false, operand


def available() -> bool:
    """Does the table know this machine's system calls?"""
    return platform.system() == "Linux" and platform.machine() in ARCHITECTURES


def refuse(code: int) -> Instruction:
    """Return this errno to the program; 0 lets it believe that the call was made."""
    return (RETURN, 0, 0, ERRNO | code)


PASS: Instruction = (RETURN, 0, 0, ALLOW)
ASK: Instruction = (RETURN, 0, 0, NOTIFY)


def argument(index: int) -> Instruction:
    """Load the lower 32 bits of an argument (struct seccomp_data, little endian)."""
    return (LOAD, 0, 0, 16 + 8 * index)


def unless_one_of(index: int, values: tuple[int, ...], code: int) -> list[Instruction]:
    """Pass when the argument is one of these, else this errno."""
    tests = [(JUMP_EQUAL, len(values) - at, 0, value & 0xFFFFFFFF) for at, value in enumerate(values)]
    return [argument(index), *tests, refuse(code), PASS]


def if_one_of(index: int, values: tuple[int, ...], code: int) -> list[Instruction]:
    """This errno when the argument is one of these, else pass."""
    tests = [(JUMP_EQUAL, len(values) - at, 0, value & 0xFFFFFFFF) for at, value in enumerate(values)]
    return [argument(index), *tests, PASS, refuse(code)]


def if_bits(index: int, bits: int, code: int) -> list[Instruction]:
    """This errno when the argument has one of these bits."""
    return [argument(index), (JUMP_BITS, 0, 1, bits), refuse(code), PASS]


def socket_rule(domains: tuple[int, ...]) -> list[Instruction]:
    """Only TCP in ``domains`` (MPTCP and SCTP get past Landlock), and Unix sockets where AF_UNIX is among them."""
    rule: list[Instruction] = []
    if AF_UNIX in domains:
        rule += [argument(0), (JUMP_EQUAL, 0, 1, AF_UNIX), PASS]
    if AF_INET in domains:
        no = 9      # where the refusal stands, counted from here
        rule += [
            argument(0), (JUMP_EQUAL, 1, 0, AF_INET), (JUMP_EQUAL, 0, no - 2, AF_INET6),
            argument(1), (AND, 0, 0, 0xF), (JUMP_EQUAL, 0, no - 5, STREAM),
            argument(2), (JUMP_EQUAL, 1, 0, 0), (JUMP_EQUAL, 0, 1, TCP), PASS,
        ]
    return [*rule, refuse(errno.EPERM)]     # as container runtimes do


def notified() -> dict[str, list[Instruction]]:
    """What is decided for a jail with a network of its own: all that names an address is asked about."""
    made = {name: [ASK] for name in NOTIFIED}
    made["socket"] = [
        argument(0), (JUMP_EQUAL, 0, 1, AF_INET6), refuse(errno.EAFNOSUPPORT), (JUMP_EQUAL, 0, 7, AF_INET),
        argument(1), (AND, 0, 0, 0xF), (JUMP_EQUAL, 0, 1, DATAGRAM), ASK, (JUMP_EQUAL, 0, 2, STREAM),
        argument(2), (JUMP_EQUAL, 1, 0, 0), (JUMP_EQUAL, 0, 1, TCP), PASS, refuse(errno.EPERM)]
    for name, index in (("sendto", 3), ("sendmsg", 2), ("sendmmsg", 3)):
        made[name] = [argument(index), (JUMP_BITS, 0, 1, MSG_FASTOPEN), refuse(errno.EPERM), ASK]
    for name in ("sendto", "recvfrom"):     # with an address, or a place for one
        pointer = [argument(4), (JUMP_EQUAL, 0, 3, 0), (LOAD, 0, 0, 16 + 8 * 4 + 4), (JUMP_EQUAL, 0, 1, 0), PASS]
        made[name] = [*made[name][:-1], *pointer, ASK]
    return made


def rules(plan: Mapping[str, Any], *, pid: int, scoped: bool) -> dict[str, list[Instruction]]:
    """What is decided by arguments, by the name of the system call.

    :param pid: of the process that installs the filter, leader of its process group
    :param scoped: something else (Landlock, a process namespace) keeps signals inside
    """
    tcp = bool(plan["connect"] or plan["bind"])
    domains = ((AF_INET, AF_INET6) if tcp else ()) + ((AF_UNIX,) if plan["unix_sockets"] else ())
    again = errno.EAGAIN
    made: dict[str, list[Instruction]] = {
        "socket": socket_rule(domains),
        # a connected pair of datagram sockets can be pointed at somebody else's socket, a pair of streams cannot
        "socketpair": [argument(0), (JUMP_EQUAL, 0, 4, AF_UNIX), argument(1), (AND, 0, 0, 0xF),
                       (JUMP_EQUAL, 2, 0, STREAM), (JUMP_EQUAL, 1, 0, SEQPACKET), refuse(errno.EACCES), PASS],
        "clone3": [refuse(errno.ENOSYS)],       # its flags are out of reach; the C library then uses clone
        # a group nobody can leave is ended by one kill; programs that only want to be tidy go on
        "setsid": [refuse(0)],
        "setpgid": [refuse(0)],
        "prlimit64": unless_one_of(0, (0,), errno.EPERM),
        "fcntl": if_one_of(1, SET_OWNER, errno.EPERM),
        "ioctl": if_one_of(1, CONTROLS, errno.EPERM),
        "setpriority": [argument(0), (JUMP_EQUAL, 0, 2, 0), argument(1), (JUMP_EQUAL, 1, 0, 0), refuse(errno.EPERM),
                        PASS],
    }
    if plan["terminal"]:
        del made["setpgid"]     # a shell's job control; within one session, which nobody leaves
    for name in ("sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler"):
        made[name] = unless_one_of(0, (0, pid), errno.EPERM)
    for name, index in (("sendto", 3), ("sendmsg", 2), ("sendmmsg", 3)):
        made[name] = if_bits(index, MSG_FASTOPEN, errno.EPERM)
    if plan["network"]:
        made |= notified()
    elif not plan["bind"] and not plan["unix_sockets"]:
        made["listen"] = [refuse(errno.EACCES)]     # listening without bind takes any free port
    if plan["processes"]:
        made["clone"] = if_bits(0, CLONE_NEW, errno.EPERM)
    else:
        made["clone"] = [argument(0), (JUMP_BITS, 1, 0, CLONE_NEW), (JUMP_BITS, 1, 0, CLONE_THREAD), refuse(again),
                         PASS]
        made["fork"] = made["vfork"] = [refuse(again)]
    if not scoped:
        made["kill"] = unless_one_of(0, (0, pid, -pid), errno.EPERM)
        for name in ("tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
            made[name] = unless_one_of(0, (pid,), errno.EPERM)
        made["tkill"] = made["pidfd_send_signal"] = [refuse(errno.EPERM)]
    return made


def program(plan: Mapping[str, Any], *, pid: int, scoped: bool, machine: str | None = None) -> bytes:
    """The filter as ``struct sock_filter[]``; raises KeyError for a machine that ``available`` does not know."""
    column, audit = ARCHITECTURES[machine or platform.machine()]
    refused = REFUSED | ({} if plan["system_v_ipc"] else SYSTEM_V)
    ignored: list[int] = []
    if plan.get("rung") != "bubblewrap":        # there other files are read-only, or not to be seen
        refused |= ATTRIBUTES
        ignored = sorted(number for row in TIDINESS.values() if (number := row[column]) is not None)
    numbers = sorted(number for row in refused.values() if (number := row[column]) is not None)
    made: list[Instruction] = [
        (LOAD, 0, 0, 4), (JUMP_EQUAL, 1, 0, audit), refuse(errno.ENOSYS),      # another architecture's calls
        (LOAD, 0, 0, 0), (JUMP_ABOVE, 0, 1, NEWEST), refuse(errno.ENOSYS),     # also the x32 calls of x86_64
        *[(JUMP_EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)],
        (JUMP, 0, 0, 1), refuse(errno.EPERM),
        *[(JUMP_EQUAL, len(ignored) - at, 0, number) for at, number in enumerate(ignored)],
        (JUMP, 0, 0, 1), refuse(0),
    ]
    for name, rule in rules(plan, pid=pid, scoped=scoped).items():
        number = JUDGED[name][column]
        if number is not None:
            made += [(JUMP_EQUAL, 0, len(rule), number), *rule]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in [*made, PASS])


def install(filter_program: bytes, listen: bool = False) -> int:
    """Bind this thread and all it starts to the filter; needs PR_SET_NO_NEW_PRIVS.  Raises OSError.

    :param listen: return the file descriptor where the calls are heard that the filter asks about, else 0
    """

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]

    libc = ctypes.CDLL(None, use_errno=True)
    given = ctypes.byref(Program(len(filter_program) // 8, filter_program))
    if listen:
        for flags in (NEW_LISTENER | WAIT_KILLABLE, NEW_LISTENER):      # the second before Linux 5.19
            found = int(libc.syscall(ctypes.c_long(SECCOMP[platform.machine()]), ctypes.c_long(SET_MODE_FILTER),
                                     ctypes.c_long(flags), given))
            if found >= 0:
                return found
    elif not libc.prctl(PR_SET_SECCOMP, MODE_FILTER, given, 0, 0):
        return 0
    code = ctypes.get_errno()
    raise OSError(code, "the kernel refuses the seccomp filter")
