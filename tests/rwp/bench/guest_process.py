# QEMU's process, seen from outside
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""What /proc tells about the process that a guest runs in."""

import os
import threading
import time
from typing import Any, Dict, List, NamedTuple


class Range(NamedTuple):
    """Addresses from start up to but not including end."""

    start: int
    end: int


def guest_ram(pid: int, size: int) -> Range:
    """Where the guest's memory is mapped: the one mapping of its size."""
    with open(f'/proc/{pid}/maps', encoding='utf8') as file:
        for line in file:
            start, end = (int(n, 16) for n in line.split()[0].split('-'))
            # Neighbours with the same rights may have been joined to it.
            if size <= end - start < size + (64 << 20):
                return Range(start, end)
    raise LookupError(f'process {pid} has no mapping of {size} bytes')


def smaps_bytes(pid: int, memory: Range, field: str) -> int:
    """The sum of a field of smaps over the mappings in this memory."""
    inside, total = False, 0
    with open(f'/proc/{pid}/smaps', encoding='utf8') as file:
        for line in file:
            words = line.split()
            if '-' in words[0] and not words[0].endswith(':'):
                start, end = (int(n, 16) for n in words[0].split('-'))
                inside = start < memory.end and end > memory.start
            elif inside and words[0] == f'{field}:':
                total += int(words[1]) * 1024
    return total


def thread_cpu_seconds(pid: int, name: str) -> float:
    """Processor time so far of the threads whose name starts like this."""
    total = 0
    for task in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{task}/comm', encoding='utf8') as file:
            if not file.read().startswith(name):
                continue
        path = f'/proc/{pid}/task/{task}/schedstat'
        with open(path, encoding='utf8') as file:
            total += int(file.read().split()[0])
    return total / 1e9


def memory_of(pid: int) -> Dict[str, int]:
    """What a process has in memory and in swap, in bytes."""
    memory = {}
    with open(f'/proc/{pid}/status', encoding='utf8') as file:
        for line in file:
            name, _, value = line.partition(':')
            if name in ('VmRSS', 'VmSwap'):
                memory[name] = int(value.split()[0]) * 1024
    return memory


class MemorySampler(threading.Thread):
    """Looks at a process's memory again and again, from the first line on of
    what is done with it to the last."""

    SECONDS = 0.1

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self._pid = pid
        self._end = threading.Event()
        self.samples: List[Dict[str, Any]] = []

    def _sample(self) -> None:
        self.samples.append({'s': time.monotonic(), **memory_of(self._pid)})

    def run(self) -> None:
        while not self._end.wait(self.SECONDS):
            self._sample()

    def __enter__(self) -> 'MemorySampler':
        self._sample()
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end.set()
        self.join()
