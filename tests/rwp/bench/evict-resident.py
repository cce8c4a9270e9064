#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's resident memory over time, with several ways to get it back.

Of the memory that a load in the guest uses, 15 % are touched as fast as they
can be, 25 % once in 20 intervals, and 60 % never again.  For a while nothing
is done; then a reclaimer starts.  Sampled all along are the guest's memory
that is in, what has come back from swap, and what the load has done.

usage: evict-resident.py RESULT.json [--by NAME]...
"""

import argparse
import json
import os
import sys
import time
from typing import Any, Callable, Dict, List

from qemu.machine import QEMUMachine

from guest_process import smaps_bytes
from reclaimers import (Cgroup, DamonPageout, Memcg, Reclaimer, Rwp,
                        where_ram_is)
from rwp_guest import RwpGuest
from watchers import Damon


GUEST_MIB = 256
LOAD_MIB = {'hot': 14, 'warm': 24, 'cold': 58}

# Of the interval of rwp's tracking.
WARM_EPOCHS = 20
WARM_SECONDS = WARM_EPOCHS * Rwp.INTERVAL_SECONDS

# Seconds; the last part is what is compared with the first one.
BASELINE, TOTAL, COMPARED = 20, 220, WARM_SECONDS

# DAMON's threshold is the minimum age of rwp, which finds out by itself that
# this is too little here; or what one would choose who knows the load.
BY: Dict[str, Callable[[RwpGuest, Cgroup], Reclaimer]] = {
    'none': Reclaimer,
    'rwp': Rwp,
    'rwp-huge': Rwp,
    'damon-8s': lambda guest, cgroup: DamonPageout(guest, cgroup,
                                                   Rwp.MIN_AGE_SECONDS),
    'damon-48s': lambda guest, cgroup: DamonPageout(guest, cgroup, 48),
    'memory.reclaim': Memcg,
}


# The worst that there is for huge pages: something in each of them is hot.
SCATTERED_HUGE = ('rwp-huge',)


class Sampler:
    """One sample a second, however long each of them takes."""

    def __init__(self, guest: RwpGuest, cgroup: Cgroup):
        self._guest = guest
        self._cgroup = cgroup
        self._ram = where_ram_is(guest)
        self._start = time.monotonic()
        self.samples: List[Dict[str, Any]] = []

    def _sample(self) -> None:
        load = self._guest.load.status()
        stat = self._cgroup.stat()
        pid = self._guest.vm.get_pid()
        self.samples.append({
            's': time.monotonic() - self._start,
            'resident': smaps_bytes(pid, self._ram, 'Rss'),
            'pswpin': stat['pswpin'] * 4096,
            'pswpout': stat['pswpout'] * 4096,
            'stall_us': self._cgroup.stall_us(),
            'guest_us': load['us'],
            **{f'{name}_{what}': load[f'{name}-{key}']
               for name in ('hot', 'warm')
               for what, key in (('reads', 'reads'), ('writes', 'writes'),
                                 ('busy_us', 'busy-us'))}})

    def until(self, second: float) -> None:
        """Take samples until so many seconds after the beginning."""
        while True:
            self._sample()
            now = time.monotonic() - self._start
            if len(self.samples) % 20 == 0:
                print(f'... after {now:.0f} s: '
                      f'{self.samples[-1]["resident"] >> 20} MiB are in',
                      file=sys.stderr)
            if now >= second:
                return
            time.sleep(max(0.0, min(second, int(now) + 1) - now))


def measure(name: str, directory: str) -> Dict[str, Any]:
    """One reclaimer on one guest."""
    vm = QEMUMachine(os.environ['QEMU_TEST_QEMU_BINARY'], name='bench')
    thp, layout = ('on', 'scattered') if name in SCATTERED_HUGE else \
        ('off', 'contiguous')
    guest = RwpGuest(vm, directory, mib=GUEST_MIB, tracking='off', thp=thp)
    cgroup = Cgroup(name)
    try:
        with cgroup.entered():
            guest.launch('-name', 'bench,debug-threads=on')
        guest.load.wait_ready()
        reclaimer = BY[name](guest, cgroup)
        guest.load.alloc(layout, thp=thp, **LOAD_MIB)
        guest.load.ask('run hot period=0 write=20')
        guest.load.ask(f'run warm period={WARM_SECONDS * 1000} write=20')
        sampler = Sampler(guest, cgroup)
        sampler.until(BASELINE)
        reclaimer.start()
        sampler.until(TOTAL)
        info = reclaimer.info()
        reclaimer.stop()
        # All this has not changed a byte.
        guest.load.ask('halt')
        guest.load.verify()
    finally:
        guest.close()
    return {'by': name, 'guest_mib': GUEST_MIB, 'load_mib': LOAD_MIB,
            'warm_period': WARM_SECONDS, 'baseline': BASELINE,
            'compared': COMPARED, 'samples': sampler.samples, 'info': info}


def main() -> None:
    """Measure with each reclaimer."""
    parser = argparse.ArgumentParser(usage=__doc__.rpartition('usage: ')[2])
    parser.add_argument('result')
    parser.add_argument('--by', action='append', choices=tuple(BY))
    args = parser.parse_args()

    work = os.environ['RWP_WORK']
    Damon.stop_statistics()
    result: List[Dict[str, Any]] = []
    for name in args.by or BY:
        if name.startswith('damon') and not Damon.there():
            print(f'evict-resident: {name}: this kernel has no DAMON',
                  file=sys.stderr)
        else:
            print(f'evict-resident: {name}', file=sys.stderr)
            result.append(measure(name, f'{work}/guest-{name}'))
        with open(args.result, 'w', encoding='utf8') as file:
            json.dump(result, file, indent=1)


if __name__ == '__main__':
    main()
