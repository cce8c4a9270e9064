# Memory of another process
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""Access any byte of it, and page it out, from outside.

An access through /proc/PID/mem faults in that process as its own access would
do, so it counts as one.  Both sides of a comparison can so be given the same
content and the same accesses by the same code.
"""

import ctypes
import os
import struct
from types import TracebackType
from typing import Optional, Type

from guest_process import Range, smaps_bytes
from memory_kinds import HUGE, PAGE


_PROCESS_MADVISE = 440      # the same on all architectures
_MADV_PAGEOUT = 21


def _content() -> bytes:
    """
    A piece of pages of which no two are alike and none is all zero, which
    would be no work to page out.  They compress quickly: what takes longest
    in real life would only hide what is to be measured.
    """
    pages = []
    for number in range(HUGE // PAGE):
        head = struct.pack('<QQ', number + 1, ~number & (1 << 64) - 1)
        pages.append(head.ljust(PAGE, b'\0'))
    return b''.join(pages)


class OtherMemory:
    """The memory at [base, base + size) of a process."""

    _CONTENT = _content()

    def __init__(self, pid: int, base: int, size: int):
        self.pid = pid
        self.base = base
        self.size = size
        self._fd = os.open(f'/proc/{pid}/mem', os.O_RDWR)

    def fill(self) -> None:
        """Write to all of it."""
        for at in range(0, self.size, HUGE):
            os.pwrite(self._fd, self._CONTENT, self.base + at)

    def touch_every_second(self, granule: int) -> int:
        """
        Read one byte of every second granule, beginning with the first.
        Returns the bytes that count as accessed then.
        """
        touched = range(0, self.size, 2 * granule)
        for at in touched:
            os.pread(self._fd, 1, self.base + at)
        return len(touched) * granule

    def resident(self) -> int:
        """Bytes that are mapped, the kernel counting its page tables."""
        return smaps_bytes(self.pid, Range(self.base, self.base + self.size),
                           'Rss')

    def page_out(self) -> None:
        """Have the kernel page all of it out."""
        libc = ctypes.CDLL(None, use_errno=True)
        pidfd = os.pidfd_open(self.pid)
        try:
            iovec = struct.pack('PN', self.base, self.size)
            if libc.syscall(ctypes.c_long(_PROCESS_MADVISE), pidfd, iovec,
                            ctypes.c_ulong(1), _MADV_PAGEOUT,
                            ctypes.c_uint(0)) < 0:
                error = ctypes.get_errno()
                raise OSError(error, f'process_madvise: {os.strerror(error)}')
        finally:
            os.close(pidfd)

    def close(self) -> None:
        """Let go of it; it stays as it is."""
        os.close(self._fd)

    def __enter__(self) -> 'OtherMemory':
        return self

    def __exit__(self, exc_type: Optional[Type[BaseException]],
                 exc: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()
