#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What an epoch of memory-backend-rwp costs, beside a bare loop of the same calls.

Both have memory of the same kind and size, and the same pages of it are
accessed before each epoch.  They take turns, so that whatever else the machine
does falls on both.  QEMU's figure is its own: scan-time and arm-time of
query-working-set, which have its bookkeeping in them.

usage: epoch-cost.py RESULT.json [--rounds N] [--kind KIND]...
"""

import argparse
import json
import os
import sys
from typing import Any, Dict, List

from bare_loop import BareLoop
from exact_memory import HUGE, PAGE, ExactMemory


PATTERNS = ('none', 'contiguous', 'scattered', 'all')

# Memory with huge pages is larger: an epoch over 512 MiB of it takes so
# little that it could not be told from the noise.
KINDS: Dict[str, Dict[str, Any]] = {
    'anon': {'mib': 512, 'granule': PAGE,
             'backend': {'share': 'off', 'thp': 'off'}},
    'memfd': {'mib': 512, 'granule': PAGE,
              'backend': {'share': 'on', 'thp': 'off'}},
    'thp': {'mib': 1024, 'granule': HUGE,
            'backend': {'share': 'off', 'thp': 'on'}},
    'hugetlb': {'mib': 1024, 'granule': HUGE,
                'backend': {'share': 'on', 'hugetlb': 'on',
                            'hugetlbsize': '2M'}},
}

# Those that were ever the cheapest of the many that were tried
# (docs/devel/rwp-benchmarks.rst).  The cheapest one counts.
STRATEGIES = {
    PAGE: ('chunk=whole,gap=whole', 'chunk=whole,gap=2M', 'chunk=128M,gap=2M'),
    HUGE: ('chunk=whole,gap=whole', 'chunk=whole,gap=64M'),
}

# Epochs before those that count, for each pattern: QEMU learns how much of
# the memory one call can take from how long the last ones took.
WARM_UP = 3


def compare(bare: BareLoop, qemu: ExactMemory, pattern: str,
            rounds: int) -> Dict[str, Any]:
    """Epochs of both, in turns."""
    strategies = STRATEGIES[qemu.granule]
    epochs: Dict[str, List[Dict[str, Any]]] = {s: [] for s in strategies}
    ours: List[Dict[str, Any]] = []

    for _ in range(WARM_UP):
        qemu.touch(pattern)
        qemu.epoch()
    for number in range(rounds):
        turns = list(strategies) + [None]
        # Whoever is first may find the machine in another state.
        if number % 2:
            turns.reverse()
        for strategy in turns:
            expected = bare.touch(pattern) if strategy else 0
            if not strategy:
                qemu.touch(pattern)
            bare.settle()
            if strategy:
                epoch = bare.epoch(strategy)
                epochs[strategy].append(epoch)
            else:
                epoch = qemu.epoch()
                ours.append(epoch)
                expected = accessed_bytes(qemu, pattern)
            if epoch['accessed'] != expected:
                sys.exit(f'epoch-cost: {pattern}: {expected} bytes were '
                         f'accessed, {epoch["accessed"]} seen by '
                         f'{strategy or "QEMU"}: nothing to compare')
    return {'bare': epochs, 'qemu': ours}


def accessed_bytes(qemu: ExactMemory, pattern: str) -> int:
    """What an epoch must see of a pattern."""
    share = {'none': 0, 'contiguous': 1, 'scattered': 1, 'all': 8}
    return qemu.size // 8 * share[pattern]


def main() -> None:
    """Compare all kinds and patterns."""
    parser = argparse.ArgumentParser(usage=__doc__.rpartition('usage: ')[2])
    parser.add_argument('result')
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--kind', action='append', choices=tuple(KINDS))
    args = parser.parse_args()

    result = []
    for name in args.kind or KINDS:
        kind = KINDS[name]
        with BareLoop(name, kind['mib']) as bare, \
                ExactMemory(os.environ['QTEST_QEMU_BINARY'], kind['mib'],
                            kind['granule'], **kind['backend']) as qemu:
            qemu.touch('all')
            qemu.epoch()
            for pattern in PATTERNS:
                print(f'epoch-cost: {name}, {pattern}', file=sys.stderr)
                result.append({'kind': name, 'mib': kind['mib'],
                               'pattern': pattern,
                               **compare(bare, qemu, pattern, args.rounds)})
    with open(args.result, 'w', encoding='utf8') as file:
        json.dump(result, file, indent=1)


if __name__ == '__main__':
    main()
