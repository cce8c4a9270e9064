#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What an epoch of memory-backend-rwp costs, beside a bare loop of the same calls.

Both have memory of the same kind and size, and the same pages of it are
accessed before each epoch.  They take turns, so that whatever else the machine
does falls on both.  QEMU's figure is its own: scan-time and arm-time of
query-working-set, which have its bookkeeping in them.

usage: epoch-cost.py RESULT.json [--rounds N] [--kind KIND]... [--pattern P]...
"""

import argparse
import json
import os
import sys
from typing import Any, Dict, List

from bare_loop import BareLoop
from exact_memory import HUGE, PAGE, ExactMemory
from huge_pool import HugePool


PATTERNS = ('none', 'contiguous', 'scattered', 'all')

# Memory with huge pages is larger: an epoch over 512 MiB of it takes so
# little that the fixed costs of a thread that wakes up would be all there is.
KINDS: Dict[str, Dict[str, Any]] = {
    'anon': {'mib': 512, 'granule': PAGE,
             'backend': {'share': 'off', 'thp': 'off'}},
    'memfd': {'mib': 512, 'granule': PAGE,
              'backend': {'share': 'on', 'thp': 'off'}},
    'thp': {'mib': 2048, 'granule': HUGE,
            'backend': {'share': 'off', 'thp': 'on'}},
    'hugetlb': {'mib': 2048, 'granule': HUGE,
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


def check_seen(who: str, pattern: str, seen: int, accessed: int) -> None:
    """Epochs that have not seen the same are not worth comparing."""
    if seen != accessed:
        sys.exit(f'epoch-cost: {pattern}: {accessed} bytes were accessed, '
                 f'{who} has seen {seen}')


def compare(bare: BareLoop, qemu: ExactMemory, pattern: str,
            rounds: int) -> Dict[str, Any]:
    """Epochs of both, in turns.

    After each one of the bare loop, with whatever strategy, there is one of
    QEMU, so that both have as many chances to meet a quiet machine.
    """
    bare_epochs: Dict[str, List[Dict[str, Any]]] = {}
    qemu_epochs: List[Dict[str, Any]] = []

    for _ in range(WARM_UP):
        qemu.touch(pattern)
        qemu.epoch()
    for _ in range(rounds):
        for strategy in STRATEGIES[qemu.granule]:
            accessed = bare.touch(pattern)
            bare.settle()
            epoch = bare.epoch(strategy)
            check_seen('the bare loop', pattern, epoch['accessed'], accessed)
            bare_epochs.setdefault(strategy, []).append(epoch)

            qemu.touch(pattern)
            bare.settle()
            epoch = qemu.epoch()
            check_seen('QEMU', pattern, epoch['accessed'], accessed)
            qemu_epochs.append(epoch)
    return {'bare': bare_epochs, 'qemu': qemu_epochs}


def main() -> None:
    """Compare all kinds and patterns."""
    parser = argparse.ArgumentParser(usage=__doc__.rpartition('usage: ')[2])
    parser.add_argument('result')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--kind', action='append', choices=tuple(KINDS))
    parser.add_argument('--pattern', action='append', choices=PATTERNS)
    args = parser.parse_args()

    result = []
    for name in args.kind or KINDS:
        kind = KINDS[name]
        pool = 2 * kind['mib'] if name == 'hugetlb' else 0
        with HugePool(pool), BareLoop(name, kind['mib']) as bare, \
                ExactMemory(os.environ['QTEST_QEMU_BINARY'], kind['mib'],
                            kind['granule'], **kind['backend']) as qemu:
            qemu.touch('all')
            qemu.epoch()
            for pattern in args.pattern or PATTERNS:
                print(f'epoch-cost: {name}, {pattern}', file=sys.stderr)
                result.append({'kind': name, 'mib': kind['mib'],
                               'pattern': pattern,
                               **compare(bare, qemu, pattern, args.rounds)})
    with open(args.result, 'w', encoding='utf8') as file:
        json.dump(result, file, indent=1)


if __name__ == '__main__':
    main()
