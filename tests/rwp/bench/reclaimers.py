# Ways to get a guest's cold memory back
#
# SPDX-License-Identifier: GPL-2.0-or-later

from abc import ABC
from contextlib import contextmanager
import os
from pathlib import Path
import threading
from typing import Dict, Iterator

from guest_process import Range, guest_ram
from rwp_guest import RwpGuest
from watchers import Damon


class Cgroup:
    """A control group with QEMU in it, for accounts of memory and swap."""

    ROOT = Path('/sys/fs/cgroup')

    def __init__(self, name: str):
        (self.ROOT / 'cgroup.subtree_control').write_text('+memory',
                                                          encoding='utf8')
        self.path = self.ROOT / f'rwp-bench-{name}'
        self.path.mkdir()

    @staticmethod
    def _move_to(group: Path) -> None:
        (group / 'cgroup.procs').write_text(str(os.getpid()), encoding='utf8')

    @contextmanager
    def entered(self) -> Iterator[None]:
        """
        What is started meanwhile belongs to the group: what a process has
        before it is moved there stays charged where it was.
        """
        self._move_to(self.path)
        try:
            yield
        finally:
            self._move_to(self.ROOT)

    def stat(self) -> Dict[str, int]:
        """memory.stat."""
        text = (self.path / 'memory.stat').read_text(encoding='utf8')
        return {name: int(value) for name, value in
                (line.split() for line in text.splitlines())}

    def stall_us(self) -> int:
        """How long some thread of it has waited for memory so far."""
        text = (self.path / 'memory.pressure').read_text(encoding='utf8')
        some = next(line for line in text.splitlines()
                    if line.startswith('some'))
        return int(some.rpartition('total=')[2])

    def current(self) -> int:
        """What is charged to it, in bytes."""
        text = (self.path / 'memory.current').read_text(encoding='utf8')
        return int(text)

    def reclaim(self, size: int) -> None:
        """Ask the kernel for so many bytes back."""
        try:
            (self.path / 'memory.reclaim').write_text(str(size),
                                                      encoding='utf8')
        except BlockingIOError:
            # It has got back less than that.
            pass


class Reclaimer(ABC):
    """Something that makes a guest's process smaller; here: nothing."""

    def __init__(self, guest: RwpGuest, cgroup: Cgroup):
        self.guest = guest
        self.cgroup = cgroup

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End."""

    def info(self) -> object:
        """What it has to tell, for the record."""
        return None


class Rwp(Reclaimer):
    """The evictor of memory-backend-rwp, in fast motion.

    The interval is 2 s in place of the default of 30 s, and all else that is
    a time or a rate is changed alike.  What can't be is that the policy learns
    for a minute at least.
    """

    INTERVAL_SECONDS = 2
    FASTER = 30 // INTERVAL_SECONDS
    MIN_AGE_SECONDS = 120 // FASTER
    PROPERTIES = {'interval': INTERVAL_SECONDS * 1000,
                  'min-age': MIN_AGE_SECONDS,
                  'working-set-window': 60,
                  'refault-target': 0.2 * FASTER}

    def start(self) -> None:
        for name, value in self.PROPERTIES.items():
            self.guest.set_backend(name, value)
        self.guest.set_backend('tracking', 'on')
        self.guest.set_backend('evict', 'pageout')

    def info(self) -> object:
        return self.guest.working_set()


class DamonPageout(Damon, Reclaimer):
    """DAMON pages out what had no access for so many seconds.

    As when it watches: on guest memory alone.
    """

    def __init__(self, guest: RwpGuest, cgroup: Cgroup, min_age_s: int):
        Reclaimer.__init__(self, guest, cgroup)
        Damon.__init__(self, guest)
        self._min_age = min_age_s * 1_000_000 // self.AGGREGATE_US

    def start(self) -> None:
        Damon.start(self)
        write = self._write
        scheme = self._kdamond / 'contexts/0/schemes/0'
        pattern = scheme / 'access_pattern'
        write(pattern / 'nr_accesses/min', 0)
        write(pattern / 'nr_accesses/max', 0)
        write(pattern / 'sz/min', 4096)
        write(pattern / 'age/min', self._min_age)
        write(scheme / 'action', 'pageout')
        write(self._kdamond / 'state', 'commit')

    def stop(self) -> None:
        Damon.stop(self)

    def info(self) -> object:
        self._write(self._kdamond / 'state', 'update_schemes_stats')
        stats = self._kdamond / 'contexts/0/schemes/0/stats'
        return {path.name: int(path.read_text(encoding='utf8'))
                for path in stats.iterdir() if path.is_file()}


class Memcg(Reclaimer):
    """memory.reclaim of its control group, slowed down by pressure.

    Every second up to SHARE of what the group has is asked back; the less, the
    more the group has stalled for memory meanwhile, and nothing if that was
    STALL of the time.
    """

    SHARE = 0.02
    STALL = 0.005
    SECONDS = 1.0

    def __init__(self, guest: RwpGuest, cgroup: Cgroup):
        super().__init__(guest, cgroup)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._asked = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def info(self) -> object:
        return {'asked': self._asked}

    def _run(self) -> None:
        stalled = self.cgroup.stall_us()
        while not self._stop.wait(self.SECONDS):
            before, stalled = stalled, self.cgroup.stall_us()
            stall = (stalled - before) / (self.SECONDS * 1e6)
            size = int(self.cgroup.current() * self.SHARE *
                       max(0.0, 1 - stall / self.STALL))
            if size >= os.sysconf('SC_PAGE_SIZE'):
                self._asked += size
                self.cgroup.reclaim(size)
                # What reclaim itself waits for is not the guest's.
                stalled = self.cgroup.stall_us()


def where_ram_is(guest: RwpGuest) -> Range:
    """The mapping of the guest's memory."""
    return guest_ram(guest.vm.get_pid(), guest.mib << 20)
