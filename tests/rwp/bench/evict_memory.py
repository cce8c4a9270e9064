# A tracked memory of which some can be evicted, every access to it ours
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""ExactMemory with what evicting needs: a clock, an evictor, its cost."""

import time
from typing import Any, Dict

from exact_memory import ID, ExactMemory
from guest_process import guest_ram, thread_cpu_seconds
from other_process import OtherMemory


NS = 1_000_000_000


class EvictMemory(ExactMemory):
    """Guest time goes on only when an epoch is asked for."""

    EPOCH_SECONDS = 10

    def other(self) -> OtherMemory:
        """The same memory, seen from outside."""
        pid = self._vm.get_pid()
        return OtherMemory(pid, guest_ram(pid, self.size).start, self.size)

    def set(self, name: str, value: Any) -> None:
        """Change a property of the backend on the running machine."""
        self._vm.cmd('qom-set', path=f'/objects/{ID}', property=name,
                     value=value)

    def epoch(self) -> Dict[str, Any]:
        """An epoch of EPOCH_SECONDS of the guest's time."""
        self.step_clock()
        return super().epoch()

    def step_clock(self) -> None:
        """Let the guest's time go on."""
        self._ask(f'clock_step {self.EPOCH_SECONDS * NS}')

    def _ask(self, command: str) -> None:
        """A command of the qtest protocol whose answer is more than OK."""
        self._port.sendall((command + '\n').encode())
        answer = self._answers.readline().strip()
        if not answer.startswith('OK'):
            raise RuntimeError(f'qtest: {command}: {answer}')

    def cpu_seconds(self) -> float:
        """Processor time of the tracker's and the evictor's thread."""
        return thread_cpu_seconds(self._vm.get_pid(), 'rwp')

    def evictor_cpu_seconds(self) -> float:
        """That of the evictor's thread alone."""
        return thread_cpu_seconds(self._vm.get_pid(), 'rwp-evictor')

    def settled_cpu_seconds(self) -> float:
        """The same, once these threads have nothing left to do."""
        last, now = -1.0, self.cpu_seconds()
        while now != last:
            time.sleep(0.02)
            last, now = now, self.cpu_seconds()
        return now

    def evict(self, min_age: int) -> Dict[str, Any]:
        """
        Evict all that was idle for so many seconds; what came of it and what
        it took, by the clock of who asked.
        """
        before = self.info()['eviction']
        cpu = self.evictor_cpu_seconds()
        start = time.monotonic()
        result: Dict[str, Any] = self._vm.cmd(
            'evict-cold-memory', {'id': ID, 'bytes': self.size,
                                  'min-age': min_age})
        us = (time.monotonic() - start) * 1e6
        cpu = self.evictor_cpu_seconds() - cpu
        after = self.info()['eviction']
        return {'us': us, 'cpu_us': cpu * 1e6,
                'engine_us': after['evict-time'] - before['evict-time'],
                'calls': after['batches'] - before['batches'],
                'evicted': result['evicted'], 'skipped': result['skipped'],
                'limit': result['limit']}
