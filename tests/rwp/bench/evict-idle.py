#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What an epoch costs if there is an evictor and nothing for it to do.

Two machines take turns, one with evict=pageout and one that only tracks.
Either nothing in them is cold enough, or all that is cold is out already; from
the one that only tracks, somebody else has paged it out.  An epoch's cost is
the processor time of all threads that track and evict, and besides what QEMU
tells: scan-time plus arm-time.

usage: evict-idle.py RESULT.json [--batches N] [--mib N]
"""

import argparse
import json
import os
import sys
from typing import Any, Dict, List

from bare_loop import BareLoop
from evict_memory import EvictMemory
from memory_kinds import KINDS


STATES = ('none cold', 'all out')
KIND = 'anon'

# Long enough for the policy to know its mind: 24 intervals.
LEARNING = 26

# The evictor tries again at every 16th epoch what it could not have: that is
# part of what it costs.
BATCH = 16

# A few pages are always on some list where they can't be had.
LEFT = 1 << 20

# In epochs; nothing here gets as old as the former, which is nearly as old as
# pages are told apart.
MIN_AGE = {'none cold': 199, 'all out': 1}


def batch(qemu: EvictMemory) -> Dict[str, float]:
    """Mean of some epochs, the evictor's part of the last one included."""
    cpu = qemu.settled_cpu_seconds()
    evictor = qemu.evictor_cpu_seconds()
    epochs = [qemu.epoch() for _ in range(BATCH)]
    cpu = qemu.settled_cpu_seconds() - cpu
    evictor = qemu.evictor_cpu_seconds() - evictor
    return {'cpu_us': cpu * 1e6 / BATCH, 'evictor_us': evictor * 1e6 / BATCH,
            'pass_us': sum(epoch['scan_us'] + epoch['arm_us']
                           for epoch in epochs) / BATCH}


def wait_until_out(qemu: EvictMemory) -> None:
    """Wait until little more goes by itself."""
    while qemu.info()['resident'] > LEFT:
        qemu.epoch()
        qemu.settled_cpu_seconds()


def measure(state: str, mib: int, batches: int) -> Dict[str, Any]:
    """Both machines in one of the states."""
    binary = os.environ['QTEST_QEMU_BINARY']
    backend = KINDS[KIND].backend
    args = {'min-age': MIN_AGE[state] * EvictMemory.EPOCH_SECONDS,
            'working-set-window': 60, **backend}
    with BareLoop(KIND, 2, 'none') as settle, \
            EvictMemory(binary, mib, **args) as tracking, \
            EvictMemory(binary, mib, evict='pageout', **args) as evicting:
        machines = {'tracking': tracking, 'evicting': evicting}
        for qemu in machines.values():
            with qemu.other() as memory:
                memory.fill()
                for _ in range(LEARNING):
                    qemu.epoch()
                if state == 'all out':
                    if qemu is evicting:
                        wait_until_out(qemu)
                    # What has gone by itself stays out.
                    memory.page_out()
                resident = memory.resident()
            limit = mib << 20 if state == 'none cold' else LEFT
            if not 0 <= limit - resident <= LEFT:
                sys.exit(f'evict-idle: {state}: {resident} bytes are in')
        # By then, what is out is known to be.
        for qemu in machines.values():
            batch(qemu)
        before = evicting.info()['eviction']
        runs: Dict[str, List[Dict[str, float]]] = {}
        for _ in range(batches):
            for name, qemu in machines.items():
                settle.settle()
                runs.setdefault(name, []).append(batch(qemu))
        after = evicting.info()['eviction']
    if before['evicted'] != after['evicted']:
        sys.exit(f'evict-idle: {state}: it was not idle')
    return {'state': state, 'mib': mib, 'kind': KIND, 'eviction': after,
            **runs}


def main() -> None:
    """Measure both states."""
    parser = argparse.ArgumentParser(usage=__doc__.rpartition('usage: ')[2])
    parser.add_argument('result')
    parser.add_argument('--batches', type=int, default=9)
    parser.add_argument('--mib', type=int, default=1024)
    args = parser.parse_args()

    result = []
    for state in STATES:
        print(f'evict-idle: {state}', file=sys.stderr)
        result.append(measure(state, args.mib, args.batches))
        with open(args.result, 'w', encoding='utf8') as file:
            json.dump(result, file, indent=1)


if __name__ == '__main__':
    main()
