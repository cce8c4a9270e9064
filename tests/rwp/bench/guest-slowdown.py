#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest loses by being watched, and what the watcher learns.

A Linux guest under KVM touches a hot set of known size as fast as it can.  It
goes on running while watchers are switched on and off; each window of time
with a watcher lies between two windows without any, and its throughput is
compared with the mean of theirs, so that a machine that slowly gets faster or
slower makes no difference.

What an epoch costs the guest does not depend on the interval, as long as all
of the hot set is touched in it: the same pages fault once.  So what is lost at
30 s is told in two ways.  Windows with true intervals show it as it is, but
under emulation the noise is larger than it.  So many short windows with just
one epoch in them, each beside one without, tell what an epoch costs; divided
by the interval that is the slowdown, and it must agree with what the windows
of 1 s and 5 s intervals show.

usage: guest-slowdown.py RESULT.json [--cycles N] [--memory NAME]...
"""

import argparse
import json
import os
import statistics
import sys
import time
from typing import Any, Dict, List, Set

from qemu.machine import QEMUMachine

from hot_touches import hot_rate
from rwp_guest import MANUAL_INTERVAL, MIB, RwpGuest
from watchers import ClearRefs, Damon, Rwp, Watcher, error_percent


GUEST_MIB = 1024
COLD_MIB = 256

# Whether huge pages are used decides nearly everything, so both.  In 'small'
# hot and cold pages lie side by side, in random order; few are hot, as under
# emulation a fault of a guest costs 100 us, and all of them must have been
# taken when a window ends.
MEMORY: Dict[str, Dict[str, Any]] = {
    'huge': {'thp': 'on', 'layout': 'contiguous', 'hot_mib': 256},
    'small': {'thp': 'off', 'layout': 'scattered', 'hot_mib': 16},
}

# Windows with and without an epoch, and their length: long enough that the
# guest has touched all of its hot set again and taken all its faults.
EPOCH_PAIRS = 40
EPOCH_SECONDS = 1.0

# Interval in seconds, and how many of them make a window.
INTERVALS = ((1, 8), (5, 3), (30, 1))
WATCHER_SECONDS = 10
OFF_SECONDS = 8
IDLE_SECONDS = 3

# After switching: the guest takes its faults, and no interval ends at the
# beginning or at the end of a window.
SETTLE_SECONDS = 2.4


def share_percent(part: Set[int], whole: Set[int]) -> float:
    """How much of a set of pages is in another one."""
    return len(part & whole) * 100 / len(whole)


class Bench:
    """One guest, and the windows of time that were measured."""

    def __init__(self, guest: RwpGuest, hot_mib: int):
        self.guest = guest
        self.hot = hot_mib * MIB
        # Which pages are in the sets, when there are sets.
        self.hot_pages: Set[int] = set()
        self.cold_pages: Set[int] = set()
        self.windows: List[Dict[str, Any]] = []

    def _throughput(self, seconds: float, scan: bool = False) -> float:
        """Pages of the hot set touched in a second of the guest's time."""
        before = self.guest.load.status()
        end = time.monotonic() + seconds
        if scan:
            self.guest.vm.cmd('scan-working-set')
        time.sleep(max(0.0, end - time.monotonic()))
        after = self.guest.load.status()
        return hot_rate(before, after)

    def idle_bytes(self) -> int:
        """What the guest's kernel alone touches in an interval."""
        watcher = Rwp(self.guest, MANUAL_INTERVAL)
        watcher.start()
        try:
            self.guest.scan()
            time.sleep(IDLE_SECONDS)
            self.guest.scan()
            return watcher.estimate()
        finally:
            watcher.stop()

    def epochs(self) -> List[float]:
        """Seconds of the guest's time that each of many epochs has cost."""
        watcher = Rwp(self.guest, MANUAL_INTERVAL)
        watcher.start()
        lost = []
        try:
            # The first ones find out how much one call can take.
            for _ in range(5):
                self._throughput(EPOCH_SECONDS, scan=True)
            without = self._throughput(EPOCH_SECONDS)
            for _ in range(EPOCH_PAIRS):
                with_one = self._throughput(EPOCH_SECONDS, scan=True)
                after = self._throughput(EPOCH_SECONDS)
                mean = (without + after) / 2
                lost.append(EPOCH_SECONDS * (1 - with_one / mean))
                without = after
        finally:
            watcher.stop()
        return lost

    def unwatched(self) -> None:
        """A window without a watcher."""
        time.sleep(1)
        rate = self._throughput(OFF_SECONDS)
        self.windows.append({'watcher': None, 'rate': rate})

    def watched(self, watcher: Watcher, seconds: float,
                **more: Any) -> None:
        """A window with one, from the moment it is in force."""
        watcher.start()
        try:
            time.sleep(SETTLE_SECONDS)
            # What is asked next is about the window alone.
            watcher.estimate()
            epochs = watcher.epochs()
            cpu = watcher.cpu_seconds()
            start = time.monotonic()
            rate = self._throughput(seconds)
            estimate = watcher.estimate()
            cpu = watcher.cpu_seconds() - cpu
            wall = time.monotonic() - start
            epochs = watcher.epochs() - epochs
            snapshots = watcher.seen()
            window = {'watcher': watcher.name, 'rate': rate,
                      'missed_percent': [
                          100 - share_percent(seen, self.hot_pages)
                          for seen in snapshots],
                      'cold_percent': [
                          share_percent(seen, self.cold_pages)
                          for seen in snapshots],
                      'estimate': estimate,
                      'error_percent': error_percent(estimate, self.hot),
                      'cpu_percent': cpu * 100 / wall, 'epochs': epochs,
                      'epoch_cpu_ms': [cpu * 1000 / epochs] if epochs else [],
                      **more}
        finally:
            watcher.stop()
        self.windows.append(window)

    def compare(self) -> List[Dict[str, Any]]:
        """The windows, with what was lost against their neighbours."""
        result = []
        for i, window in enumerate(self.windows):
            window = dict(window)
            if window['watcher']:
                beside = [self.windows[i - 1]['rate'],
                          self.windows[i + 1]['rate']]
            elif 2 <= i < len(self.windows) - 2:
                # What the noise alone makes of the same comparison.
                beside = [self.windows[i - 2]['rate'],
                          self.windows[i + 2]['rate']]
            else:
                continue
            window['lost_percent'] = \
                (1 - window['rate'] / statistics.mean(beside)) * 100
            result.append(window)
        return result


def measure(name: str, cycles: int, directory: str) -> Dict[str, Any]:
    """All watchers on one guest."""
    setting = MEMORY[name]
    vm = QEMUMachine(os.environ['QEMU_TEST_QEMU_BINARY'], name='bench')
    guest = RwpGuest(vm, directory, mib=GUEST_MIB, tracking='off',
                     thp=setting['thp'])
    try:
        # Otherwise threads have no names, and the tracker's is not found.
        guest.boot('-name', 'bench,debug-threads=on')
        bench = Bench(guest, setting['hot_mib'])
        idle = bench.idle_bytes()
        guest.load.alloc(setting['layout'], thp=setting['thp'],
                         hot=setting['hot_mib'], cold=COLD_MIB)
        bench.hot_pages = guest.physical_pages('hot')
        bench.cold_pages = guest.physical_pages('cold')
        guest.load.ask('run hot period=0 write=50')
        print(f'guest-slowdown: {name}: single epochs', file=sys.stderr)
        epochs = bench.epochs()
        bench.unwatched()
        for cycle in range(cycles):
            for interval, count in INTERVALS:
                print(f'guest-slowdown: {name}: cycle {cycle + 1} of '
                      f'{cycles}: rwp, {interval} s', file=sys.stderr)
                bench.watched(Rwp(guest, interval * 1000), interval * count,
                              interval=interval)
                bench.unwatched()
            if Damon.there():
                print('... damon', file=sys.stderr)
                bench.watched(Damon(guest), WATCHER_SECONDS)
                bench.unwatched()
            print('... clear_refs', file=sys.stderr)
            bench.watched(ClearRefs(guest), WATCHER_SECONDS)
            bench.unwatched()
        # All this has not changed a byte.
        guest.load.ask('halt')
        guest.load.verify()
    finally:
        guest.close()
    return {'memory': name, 'guest_mib': GUEST_MIB,
            'hot_mib': setting['hot_mib'], 'idle_bytes': idle,
            'epoch_lost_seconds': epochs, 'windows': bench.compare()}


def main() -> None:
    """Measure with huge and with small pages."""
    parser = argparse.ArgumentParser(usage=__doc__.rpartition('usage: ')[2])
    parser.add_argument('result')
    parser.add_argument('--cycles', type=int, default=5)
    parser.add_argument('--memory', action='append', choices=tuple(MEMORY))
    args = parser.parse_args()

    work = os.environ['RWP_WORK']
    Damon.stop_statistics()
    result = []
    for name in args.memory or MEMORY:
        result.append(measure(name, args.cycles, f'{work}/guest-{name}'))
        # What is known is known, should the next one fail.
        with open(args.result, 'w', encoding='utf8') as file:
            json.dump(result, file, indent=1)


if __name__ == '__main__':
    main()
