"""What can be told of a Linux program without running it."""

import re
import struct

MACHINES = {"arm64": 183, "x86_64": 62}
INTERPRETERS = {"arm64": b"/lib/ld-linux-aarch64.so.1", "x86_64": b"/lib64/ld-linux-x86-64.so.2"}
PT_INTERP = 3


class NotRunnable(Exception):
    """The program would not start there."""


def check(binary, arch, glibc):
    """Makes sure that a program runs on that architecture with that glibc; the lowest
    glibc that it runs with, as text."""
    if binary[:6] != b"\x7fELF\x02\x01":
        raise NotRunnable("not a 64-bit little-endian ELF program")
    (machine,) = struct.unpack_from("<H", binary, 18)
    if machine != MACHINES[arch]:
        raise NotRunnable(f"built for the machine {machine}, not for {arch}")
    if interpreter(binary) != INTERPRETERS[arch]:
        raise NotRunnable(f"its interpreter is {interpreter(binary)}, not {INTERPRETERS[arch]}")
    needed = max(versions(binary), default=(0, 0))
    if needed > glibc:
        raise NotRunnable(f"needs glibc {dotted(needed)}, and there is {dotted(glibc)}")
    return dotted(needed)


def interpreter(binary):
    """The program that loads it, or nothing where it is linked statically."""
    (headers,) = struct.unpack_from("<Q", binary, 32)
    size, count = struct.unpack_from("<HH", binary, 54)
    for at in range(headers, headers + size * count, size):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", binary, at)
        if kind == PT_INTERP:
            return binary[offset : offset + length].rstrip(b"\0")
    return b""


def versions(binary):
    """The symbol versions of glibc that it names."""
    found = re.findall(rb"\0GLIBC_(\d+)\.(\d+)(?:\.\d+)?(?=\0)", binary)
    return {(int(major), int(minor)) for major, minor in found}


def dotted(version):
    return ".".join(map(str, version))
