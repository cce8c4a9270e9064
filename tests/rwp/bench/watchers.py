# Three ways to watch a guest's memory
#
# SPDX-License-Identifier: GPL-2.0-or-later

from abc import ABC, abstractmethod
from pathlib import Path
import statistics
import time
from typing import Callable, List, Set, TypeVar

from guest_process import (Range, guest_ram, smaps_bytes,
                           thread_cpu_seconds)
from rwp_guest import PAGE, RwpGuest, pages_of_age


T = TypeVar('T')


class Watcher(ABC):
    """Something that can be asked how much memory a guest uses."""

    name: str

    @abstractmethod
    def start(self) -> None:
        """Watch from now on."""

    @abstractmethod
    def stop(self) -> None:
        """Leave the guest as if it had never been watched."""

    @abstractmethod
    def estimate(self) -> int:
        """The working set, in bytes."""

    @abstractmethod
    def cpu_seconds(self) -> float:
        """Processor time used by watching so far."""

    def epochs(self) -> int:
        """How many times all of the memory was looked at, where that is so."""
        return 0

    def seen(self) -> List[Set[int]]:
        """Guest-physical numbers of the pages that it takes for accessed.

        Several snapshots, where one is a matter of luck; none if it has no
        idea which pages these are.
        """
        return []


class Rwp(Watcher):
    """memory-backend-rwp's own tracking: a page that is accessed is seen."""

    name = 'rwp'

    def __init__(self, guest: RwpGuest, interval_ms: int):
        self._guest = guest
        self._interval_ms = interval_ms
        self._pid = guest.vm.get_pid()

    def start(self) -> None:
        self._guest.set_backend('interval', self._interval_ms)
        self._guest.set_backend('tracking', 'on')
        self._guest.wait_state('active')

    def stop(self) -> None:
        self._guest.set_backend('tracking', 'off')

    def epochs(self) -> int:
        epochs: int = self._guest.working_set()['epochs']
        return epochs

    def estimate(self) -> int:
        """Bytes accessed in the last completed interval."""
        accessed: int = self._guest.working_set()['accessed']
        return accessed

    def seen(self) -> List[Set[int]]:
        return [pages_of_age(self._guest.export()['ranges'], 0, 0)]

    def cpu_seconds(self) -> float:
        # The thread, and its time, end with 'stop'.
        return thread_cpu_seconds(self._pid, 'rwp')


class Damon(Watcher):
    """DAMON on QEMU's address space, with its default intervals.

    It is told where guest memory lies ('fvaddr'), which spares it the search
    and everything else in the process: better than it would do by itself.
    """

    name = 'damon'

    SYSFS = Path('/sys/kernel/mm/damon/admin/kdamonds')
    # Some kernels watch all of the host with DAMON by themselves.
    STAT = Path('/sys/module/damon_stat/parameters/enabled')
    SAMPLE_US = 5000
    AGGREGATE_US = 100000
    REGIONS = (10, 1000)
    SNAPSHOTS = 9

    def __init__(self, guest: RwpGuest):
        self._pid = guest.vm.get_pid()
        self._size = guest.mib << 20
        self._kdamond = self.SYSFS / '0'
        self._thread = 0
        self._ram = Range(0, 0)

    @classmethod
    def there(cls) -> bool:
        """Whether this kernel has it."""
        return cls.SYSFS.is_dir()

    @classmethod
    def stop_statistics(cls) -> None:
        """
        End the kernel's own use of DAMON, which suffers no other one beside
        it, and would fall on windows with and without a watcher.
        """
        if cls.STAT.exists():
            cls.STAT.write_text('N\n', encoding='utf8')

    @staticmethod
    def _write(path: Path, value: object) -> None:
        path.write_text(f'{value}\n', encoding='utf8')

    def start(self) -> None:
        self._ram = ram = guest_ram(self._pid, self._size)
        write = self._write
        write(self.SYSFS / 'nr_kdamonds', 1)
        write(self._kdamond / 'contexts/nr_contexts', 1)
        context = self._kdamond / 'contexts/0'
        write(context / 'operations', 'fvaddr')
        intervals = context / 'monitoring_attrs/intervals'
        write(intervals / 'sample_us', self.SAMPLE_US)
        write(intervals / 'aggr_us', self.AGGREGATE_US)
        regions = context / 'monitoring_attrs/nr_regions'
        # Neither bound may ever cross the other.
        write(regions / 'max', self.REGIONS[1])
        write(regions / 'min', self.REGIONS[0])
        write(context / 'targets/nr_targets', 1)
        write(context / 'targets/0/pid_target', self._pid)
        write(context / 'targets/0/regions/nr_regions', 1)
        write(context / 'targets/0/regions/0/start', ram.start)
        write(context / 'targets/0/regions/0/end', ram.end)
        # A scheme that does nothing but finds what was accessed at all.
        write(context / 'schemes/nr_schemes', 1)
        scheme = context / 'schemes/0'
        write(scheme / 'action', 'stat')
        pattern = scheme / 'access_pattern'
        for name, low, high in (('sz', 0, (1 << 64) - 1),
                                ('nr_accesses', 1, (1 << 32) - 1),
                                ('age', 0, (1 << 32) - 1)):
            write(pattern / name / 'max', high)
            write(pattern / name / 'min', low)
        write(self._kdamond / 'state', 'on')
        self._thread = int((self._kdamond / 'pid').read_text(encoding='utf8'))

    def stop(self) -> None:
        self._write(self._kdamond / 'state', 'off')
        self._write(self.SYSFS / 'nr_kdamonds', 0)

    def _accessed(self) -> int:
        self._write(self._kdamond / 'state', 'update_schemes_tried_bytes')
        total = 'contexts/0/schemes/0/tried_regions/total_bytes'
        return int((self._kdamond / total).read_text(encoding='utf8'))

    def estimate(self) -> int:
        """Bytes of the regions that had any access in their samples.

        One such figure is a matter of luck: the middle one of several.
        """
        figures = []
        for _ in range(self.SNAPSHOTS):
            figures.append(self._accessed())
            time.sleep(self.AGGREGATE_US / 1e6)
        return statistics.median_low(figures)

    def _regions(self) -> Set[int]:
        self._write(self._kdamond / 'state', 'update_schemes_tried_regions')
        pages: Set[int] = set()
        tried = self._kdamond / 'contexts/0/schemes/0/tried_regions'
        for region in tried.iterdir():
            if not region.is_dir():
                continue
            # So little memory lies in one piece from address 0 on.
            first, end = (
                (int((region / name).read_text(encoding='utf8')) -
                 self._ram.start) // PAGE for name in ('start', 'end'))
            pages.update(range(first, end))
        return pages

    def seen(self) -> List[Set[int]]:
        snapshots = []
        for _ in range(self.SNAPSHOTS):
            snapshots.append(self._regions())
            time.sleep(self.AGGREGATE_US / 1e6)
        return snapshots

    def cpu_seconds(self) -> float:
        return thread_cpu_seconds(self._thread, '')


class ClearRefs(Watcher):
    """Clearing the accessed bits, and reading which pages have them again."""

    name = 'clear_refs'

    def __init__(self, guest: RwpGuest):
        self._pid = guest.vm.get_pid()
        self._size = guest.mib << 20
        self._cpu = 0.0
        self._looks = 0
        self._ram = Range(0, 0)

    def start(self) -> None:
        self._ram = guest_ram(self._pid, self._size)
        self._timed(self._clear)

    def stop(self) -> None:
        pass

    def _timed(self, call: Callable[[], T]) -> T:
        cpu = time.process_time()
        result = call()
        self._cpu += time.process_time() - cpu
        return result

    def _clear(self) -> None:
        with open(f'/proc/{self._pid}/clear_refs', 'w',
                  encoding='utf8') as file:
            file.write('1')

    def _referenced(self) -> int:
        return smaps_bytes(self._pid, self._ram, 'Referenced')

    def estimate(self) -> int:
        """Bytes referenced since the last time; starts anew."""
        self._looks += 1
        referenced = self._timed(self._referenced)
        self._timed(self._clear)
        return referenced

    def epochs(self) -> int:
        return self._looks

    def cpu_seconds(self) -> float:
        return self._cpu


def error_percent(estimate: int, truth: int) -> float:
    """How far an estimate is off, with its sign."""
    return (estimate - truth) * 100 / truth

