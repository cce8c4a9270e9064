# A tracked memory whose every access is ours
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""
QEMU without a guest: with '-accel qtest' nothing touches the memory but what
is asked for over the qtest socket, by the main thread, in user space.
"""

import os
import socket
from types import TracebackType
from typing import Any, Dict, List, Optional, Type

from qemu.machine import QEMUMachine

from guest_process import thread_cpu_seconds
from memory_kinds import HUGE, PAGE


ID = 'ram0'

# So that only scan-working-set ends an interval.
MANUAL_INTERVAL = 24 * 60 * 60 * 1000

# Commands sent before their answers are read: the answers must fit into the
# socket's buffer, or both sides would wait.
PIPELINE = 256


class ExactMemory:
    """An '-accel qtest' QEMU on a machine that is RAM and nothing else."""

    def __init__(self, binary: str, mib: int, granule: int = PAGE,
                 **backend: Any):
        """
        :param granule: bytes that one access marks
        :param backend: properties of the memory-backend-rwp
        """
        self.size = mib << 20
        self.granule = granule
        properties = {'tracking': 'on', 'interval': MANUAL_INTERVAL,
                      **backend}
        self._vm = QEMUMachine(binary, name='bench')
        self._port, theirs = socket.socketpair()
        os.set_inheritable(theirs.fileno(), True)
        self._vm.add_args(
            # Otherwise threads have no names, and ours is not to be found.
            '-name', 'bench,debug-threads=on',
            '-nodefaults', '-accel', 'qtest',
            '-chardev', f'socket,id=qtest,fd={theirs.fileno()}',
            '-qtest', 'chardev:qtest', '-qtest-log', 'none',
            '-object', ','.join([f'memory-backend-rwp,id={ID},size={mib}M'] +
                                [f'{k}={v}' for k, v in properties.items()]),
            # The qtest server reads and writes as the first processor does.
            '-machine', f'none,memory-backend={ID}',
            '-cpu', 'qemu64,apic-id=0',
            '-m', f'{mib}M')
        try:
            self._vm.launch()
        finally:
            theirs.close()
        self._answers = self._port.makefile('r')

    def _qtest(self, commands: List[str]) -> None:
        for at in range(0, len(commands), PIPELINE):
            batch = commands[at:at + PIPELINE]
            self._port.sendall(('\n'.join(batch) + '\n').encode())
            for command in batch:
                answer = self._answers.readline().strip()
                if answer != 'OK':
                    raise RuntimeError(f'qtest: {command}: {answer}')

    def _touch_each(self, end: int, stride: int) -> None:
        self._qtest([f'writeb {at:#x} 1' for at in range(0, end, stride)])

    def _touch_all(self, end: int) -> None:
        if self.granule == HUGE:
            self._touch_each(end, HUGE)
        else:
            # One command a page would take minutes under emulation.
            step = min(end, HUGE)
            self._qtest([f'memset {at:#x} {step:#x} 1'
                         for at in range(0, end, step)])

    def touch(self, pattern: str) -> None:
        """The same patterns as those of bare-memory.h."""
        if pattern == 'contiguous':
            self._touch_all(self.size // 8)
        elif pattern == 'scattered':
            self._touch_each(self.size, 8 * self.granule)
        elif pattern == 'all':
            self._touch_all(self.size)
        elif pattern.startswith('spread:'):
            pages = int(pattern[7:])
            self._touch_each(self.size,
                             self.size // pages // PAGE * PAGE)
        elif pattern != 'none':
            raise ValueError(f'unknown pattern: {pattern}')

    def _tracker_cpu_us(self) -> float:
        return thread_cpu_seconds(self._vm.get_pid(), 'rwp') * 1e6

    def info(self) -> Dict[str, Any]:
        """The answer of query-working-set."""
        answer: Dict[str, Any] = self._vm.cmd('query-working-set', id=ID)[0]
        return answer

    def epoch(self) -> Dict[str, Any]:
        """Scan and re-arm; what it took, by QEMU's own account."""
        cpu_us = self._tracker_cpu_us()
        self._vm.cmd('scan-working-set', id=ID)
        cpu_us = self._tracker_cpu_us() - cpu_us
        info = self.info()
        return {'scan_us': info['scan-time'], 'arm_us': info['arm-time'],
                'arm_calls': info['arm-calls'], 'cpu_us': cpu_us,
                'accessed': info['accessed']}

    def set_tracking(self, value: str) -> None:
        """Change tracking= on the running machine."""
        self._vm.cmd('qom-set', path=f'/objects/{ID}', property='tracking',
                     value=value)

    def anonymous_bytes(self) -> int:
        """Anonymous host memory in use by QEMU, the guest's included."""
        path = f'/proc/{self._vm.get_pid()}/smaps_rollup'
        with open(path, encoding='utf8') as file:
            for line in file:
                if line.startswith('Anonymous:'):
                    return int(line.split()[1]) * 1024
        raise LookupError('Anonymous')

    def command(self, name: str) -> None:
        """A QMP command without arguments, for its answer's time only."""
        self._vm.cmd(name)

    def close(self) -> None:
        """End it."""
        self._vm.shutdown()
        self._answers.close()
        self._port.close()

    def __enter__(self) -> 'ExactMemory':
        return self

    def __exit__(self, exc_type: Optional[Type[BaseException]],
                 exc: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()
