#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How soon a guest is as fast as before when its cold memory becomes hot.

A guest touches a hot set as fast as it can; a cold one of the same size has
been evicted.  Then the two change places.  The interval that shows it is the
first one at whose end more has come back than the target allows; two intervals
later throughput is measured again, and compared with what it is with no
evictor: of small pages, on the same set right afterwards, for under emulation
two sets are not equally fast; of huge pages, on the set that was never out, as
memory that was out comes back in small ones.  For that reason each round has a
guest of its own, too.

Slice by slice in turns with the set that changes, the guest touches another
one, which is never cold.  An emulated machine is now faster and now slower, but
both sets alike: throughput is the speed of the one in that of the other.  What
would slow down both is seen by switching the evictor off and on again.

usage: evict-phase.py RESULT.json [--memory NAME]... [--rounds N]
"""

import argparse
import json
import os
import sys
import time
from typing import Any, Dict, List

from qemu.machine import QEMUMachine

from hot_touches import touches
from rwp_evict import EvictGuest
from rwp_guest import poll


GUEST_MIB = 320
SET_MIB = 16
SETS = ('hot', 'warm')    # those that are touched
INTERVAL_SECONDS = 4
EPOCHS_LATER = 2
WINDOW_SECONDS = 3 * INTERVAL_SECONDS

# Windows with the evictor off, and as many with it on, by turns.
SWITCHED = 3

# A guest this small has so small a working set that what its kernel does by
# chance would hold up eviction at the default of 0.2 %; a huge page weighs more.
MEMORY: Dict[str, Dict[str, Any]] = {
    'small': {'thp': 'off', 'layout': 'scattered', 'refault-target': 5},
    'huge': {'thp': 'on', 'layout': 'contiguous', 'refault-target': 10},
}


def rates(before: Dict[str, int], after: Dict[str, int]) -> Dict[str, float]:
    """
    Between two answers of status: the speed of the set that changes in that of
    the one that does not, and touches of both in a second of the guest's time.
    """
    done = {name: touches(name, before, after) for name in SETS}
    speed = {name: done[name] / (after[f'{name}-busy-us'] -
                                 before[f'{name}-busy-us']) for name in SETS}
    return {'relative': speed['hot'] / speed['warm'],
            'all': sum(done.values()) * 1e6 / (after['us'] - before['us'])}


def throughput(guest: EvictGuest, seconds: float) -> Dict[str, float]:
    """That of some time from now on."""
    before = guest.load.status()
    time.sleep(seconds)
    return rates(before, guest.load.status())


def settled(guest: EvictGuest) -> Dict[str, float]:
    """The same of whole intervals."""
    guest.next_interval(guest.working_set()['epochs'])
    return throughput(guest, WINDOW_SECONDS)


def change(guest: EvictGuest) -> Dict[str, Any]:
    """Let the sets change places, and see what becomes of it."""
    evicted = guest.eviction()['evicted']
    refaulted = guest.eviction()['refaulted']
    begin = guest.working_set()['epochs']
    guest.load.ask('swap hot cold')

    def told() -> Dict[str, Any]:
        info = guest.working_set()
        evict = info['eviction']
        return info if evict['refaults'] > evict['allowed'] else {}
    shown = poll('the change being known', told)
    # What goes on in the rest of that interval is part of what it costs.
    before = guest.load.status()
    guest.next_interval(shown['epochs'] + EPOCHS_LATER - 1)
    meanwhile = rates(before, guest.load.status())
    rate = throughput(guest, WINDOW_SECONDS)
    eviction = guest.eviction()
    return {'known_after_epochs': shown['epochs'] - begin,
            'evicted_before_known': shown['eviction']['evicted'] - evicted,
            'evicted_later': eviction['evicted'] -
            shown['eviction']['evicted'],
            'came_back': eviction['refaulted'] - refaulted,
            'rate_meanwhile': meanwhile, 'rate': rate}


def measure(name: str, number: int, directory: str) -> Dict[str, Any]:
    """One guest, one change."""
    setting = MEMORY[name]
    vm = QEMUMachine(os.environ['QEMU_TEST_QEMU_BINARY'], name='bench')
    guest = EvictGuest(vm, directory, mib=GUEST_MIB, thp=setting['thp'],
                       interval=INTERVAL_SECONDS * 1000, evict='pageout', **{
                           'min-age': 10, 'working-set-window': 30,
                           'refault-history': 1,
                           'refault-target': setting['refault-target']})
    try:
        guest.boot()
        guest.load.alloc(setting['layout'], thp=setting['thp'], seed=number,
                         hot=SET_MIB, warm=SET_MIB, cold=SET_MIB)
        for running in SETS:
            guest.load.ask(f'run {running} period=0 write=30')
        cold = guest.physical_pages('cold')
        poll('the cold set being out',
             lambda: len(guest.pages_in(cold)) < 0.02 * len(cold), 900)
        guest.set_backend('evict', 'off')
        without = settled(guest)
        guest.set_backend('evict', 'pageout')
        # Eviction with nothing to evict: how far two windows may be apart.
        beside = settled(guest)
        result = change(guest)
        switched: Dict[str, List[Dict[str, float]]] = {'off': [], 'pageout': []}
        for _ in range(SWITCHED):
            for mode, windows in switched.items():
                guest.set_backend('evict', mode)
                windows.append(settled(guest))
        # All this has not changed a byte.
        guest.load.ask('halt')
        guest.load.verify()
    finally:
        guest.close()
    return {'rate_without': without, 'rate_beside': beside, **result,
            'switched': switched}


def main() -> None:
    """Measure with small and with huge pages."""
    parser = argparse.ArgumentParser(usage=__doc__.rpartition('usage: ')[2])
    parser.add_argument('result')
    parser.add_argument('--memory', action='append', choices=tuple(MEMORY))
    parser.add_argument('--rounds', type=int, default=3)
    args = parser.parse_args()

    work = os.environ['RWP_WORK']
    result: List[Dict[str, Any]] = []
    for name in args.memory or MEMORY:
        rounds: List[Dict[str, Any]] = []
        result.append({'memory': name, 'guest_mib': GUEST_MIB,
                       'set_mib': SET_MIB, 'interval': INTERVAL_SECONDS,
                       'epochs_later': EPOCHS_LATER, 'rounds': rounds})
        for number in range(1, args.rounds + 1):
            print(f'evict-phase: {name}: round {number} of {args.rounds}',
                  file=sys.stderr)
            rounds.append(measure(name, number,
                                  f'{work}/guest-{name}-{number}'))
            with open(args.result, 'w', encoding='utf8') as file:
                json.dump(result, file, indent=1)


if __name__ == '__main__':
    main()
