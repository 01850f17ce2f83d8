"""Programs of a few bytes that make one system call: what a C library would not let through, without a compiler.

x86-64 only. Each exits with the errno of its call, 0 if it succeeded.
"""

from __future__ import annotations

import struct

_BASE = 0x400000
_HEADERS = 0x78


def program(number: int, *arguments: int, legacy: bool = False) -> bytes:
    """Return an ELF file that makes the call `number`; `legacy`: by the gate of 32-bit programs (int 0x80)."""
    if legacy:
        # mov eax, n; mov ebx, ecx, edx, esi, edi
        opcodes = (b"\xb8", b"\xbb", b"\xb9", b"\xba", b"\xbe", b"\xbf")
        load = b"".join(
            code + struct.pack("<I", value) for code, value in zip(opcodes, (number, *arguments), strict=False)
        )
        gate = b"\xcd\x80"
    else:
        # mov rax, n; mov rdi, rsi, rdx, r10, r8, r9
        wide = (b"\x48\xb8", b"\x48\xbf", b"\x48\xbe", b"\x48\xba", b"\x49\xba", b"\x49\xb8", b"\x49\xb9")
        load = b"".join(
            code + struct.pack("<Q", value) for code, value in zip(wide, (number, *arguments), strict=False)
        )
        gate = b"\x0f\x05"
    # neg eax; mov edi, eax; mov eax, 60 (exit); syscall
    code = load + gate + b"\xf7\xd8\x89\xc7\xb8\x3c\x00\x00\x00\x0f\x05"
    size = _HEADERS + len(code)
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return identity + header + segment + code


_NEWUSER = 0x10000000
EPERM, ENOENT, ENOSYS = 1, 2, 38

#: Calls by name: program, and the errno that it must end with.
CALLS: dict[str, tuple[bytes, int]] = {
    "sched_yield": (program(24), 0),
    "mount": (program(165, 0, 0, 0, 0, 0), EPERM),
    "mount-by-32-bit-gate": (program(21, 0, 0, 0, 0, 0, legacy=True), EPERM),
    "umount2": (program(166, 0, 0), EPERM),
    "pivot_root": (program(155, 0, 0), EPERM),
    "fsopen": (program(430, 0, 0), EPERM),
    "open_tree": (program(428, 0, 0, 0), EPERM),
    "unshare-user": (program(272, _NEWUSER), EPERM),
    "clone-user": (program(56, _NEWUSER | 17, 0, 0, 0, 0), EPERM),
    "clone3": (program(435, 0, 0), ENOSYS),
    "setns": (program(308, 0, 0), EPERM),
    "keyctl": (program(250, 0, 0, 0), EPERM),
    "add_key": (program(248, 0, 0, 0, 0, 0), EPERM),
    "ptrace-attach": (program(101, 16, 1, 0, 0), EPERM),
    "ptrace-seize": (program(101, 0x4206, 1, 0, 0), EPERM),
    "process_vm_readv": (program(310, 1, 0, 0, 0, 0), EPERM),
    "bpf": (program(321, 0, 0, 0), EPERM),
    "perf_event_open": (program(298, 0, 0, 0, 0, 0), EPERM),
    "userfaultfd": (program(323, 0), EPERM),
    "io_uring_setup": (program(425, 1, 0), EPERM),
    "init_module": (program(175, 0, 0, 0), EPERM),
    "kexec_load": (program(246, 0, 0, 0, 0), EPERM),
    "reboot": (program(169, 0, 0, 0, 0), EPERM),
    "swapon": (program(167, 0, 0), EPERM),
    "settimeofday": (program(164, 0, 0), EPERM),
    "open_by_handle_at": (program(304, 0, 0, 0), EPERM),
    "iopl": (program(172, 3), EPERM),
    "personality-executable-data": (program(135, 0x400000), EPERM),
    "socket-to-the-hypervisor": (program(41, 40, 1, 0), EPERM),
    "finit_module": (program(313, 0, 0, 0), EPERM),
}
