#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What an epoch of memory-backend-rwp costs, beside a bare loop of its calls.

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
from typing import Any, Dict, Iterator, List, Sequence, Tuple

from bare_loop import BareLoop
from exact_memory import ExactMemory
from huge_pool import HugePool
from memory_kinds import HUGE, KINDS, PAGE


PATTERNS = ('none', 'contiguous', 'scattered', 'all')

# Memory with huge pages is larger: an epoch over 512 MiB of it takes so
# little that the fixed costs of a thread that wakes up would be all there is.
MIB = {PAGE: 512, HUGE: 2048}

# Those that were ever the cheapest of the many that were tried
# (docs/devel/rwp-benchmarks.rst).  The cheapest one counts.
STRATEGIES = {
    PAGE: ('chunk=whole,gap=whole', 'chunk=whole,gap=2M', 'chunk=128M,gap=2M'),
    HUGE: ('chunk=whole,gap=whole', 'chunk=whole,gap=64M'),
}

# Epochs before those that count, for each pattern: QEMU learns how much of
# the memory one call can take from how long the last ones took.
WARM_UP = 3

# The emulator's TLB is small and direct-mapped, so where the system has put a
# program's few hot pages decides whether they push each other out: a fifth of
# a scattered epoch.  Each launch is another throw of these dice.
LAUNCHES = 3

Epochs = List[Dict[str, Any]]


def check_seen(who: str, pattern: str, seen: int, accessed: int) -> None:
    """Epochs that have not seen the same are not worth comparing."""
    if seen != accessed:
        sys.exit(f'epoch-cost: {pattern}: {accessed} bytes were accessed, '
                 f'{who} has seen {seen}')


def compare(bare: BareLoop, qemu: ExactMemory, pattern: str,
            rounds: int) -> Tuple[Dict[str, Epochs], Epochs]:
    """Epochs of both, in turns.

    After each one of the bare loop, with whatever strategy, there is one of
    QEMU, so that both have as many chances to meet a quiet machine.
    """
    bare_epochs: Dict[str, Epochs] = {}
    qemu_epochs: Epochs = []

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
    return bare_epochs, qemu_epochs


def launched(name: str, patterns: Sequence[str], rounds: int
             ) -> Iterator[Tuple[str, Dict[str, Epochs], Epochs]]:
    """Compare two processes that have just been started."""
    kind = KINDS[name]
    mib = MIB[kind.granule]
    pool = 2 * mib if name == 'hugetlb' else 0
    with HugePool(pool), BareLoop(name, mib) as bare, \
            ExactMemory(os.environ['QTEST_QEMU_BINARY'], mib, kind.granule,
                        **kind.backend) as qemu:
        qemu.touch('all')
        qemu.epoch()
        for pattern in patterns:
            yield (pattern, *compare(bare, qemu, pattern, rounds))


def main() -> None:
    """Compare all kinds and patterns."""
    parser = argparse.ArgumentParser(usage=__doc__.rpartition('usage: ')[2])
    parser.add_argument('result')
    parser.add_argument('--rounds', type=int, default=2)
    parser.add_argument('--kind', action='append', choices=tuple(KINDS))
    parser.add_argument('--pattern', action='append', choices=PATTERNS)
    args = parser.parse_args()

    result = []
    for name in args.kind or KINDS:
        patterns = args.pattern or PATTERNS
        merged = {pattern: {'kind': name, 'mib': MIB[KINDS[name].granule],
                            'pattern': pattern, 'bare': {}, 'qemu': []}
                  for pattern in patterns}
        for launch in range(LAUNCHES):
            print(f'epoch-cost: {name}, {launch + 1} of {LAUNCHES}',
                  file=sys.stderr)
            for pattern, bare, qemu in launched(name, patterns, args.rounds):
                merged[pattern]['qemu'] += qemu
                for strategy, epochs in bare.items():
                    merged[pattern]['bare'].setdefault(strategy, [])
                    merged[pattern]['bare'][strategy] += epochs
        result += merged.values()
    with open(args.result, 'w', encoding='utf8') as file:
        json.dump(result, file, indent=1)


if __name__ == '__main__':
    main()
