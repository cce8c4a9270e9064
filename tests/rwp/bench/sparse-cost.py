#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What tracking costs when there is much memory and little of it is in use.

1 TiB, nothing reserved for it, with different numbers of populated pages, all
of them accessed in each epoch: beside the bare loop over the same, and with
the time that a query takes, beside that of a query which asks for nothing.

usage: sparse-cost.py RESULT.json [--rounds N]
"""

import argparse
import json
import os
import statistics
import sys
import time
from typing import Any, Callable, Dict

from bare_loop import BareLoop
from exact_memory import ExactMemory
from memory_kinds import PAGE


TIB = 1 << 20           # in MiB
POPULATED = (64, 1024, 16384)
STRATEGIES = ('chunk=whole,gap=whole', 'chunk=whole,gap=2M',
              'chunk=8G,gap=2M')
QUERIES = 25


def median_us(call: Callable[[], Any]) -> float:
    """Wall clock of a call."""
    times = []
    for _ in range(QUERIES):
        start = time.monotonic()
        call()
        times.append((time.monotonic() - start) * 1e6)
    return statistics.median(times)


def measure(pages: int, rounds: int) -> Dict[str, Any]:
    """Epochs of both, in turns, with so many pages populated."""
    pattern = f'spread:{pages}'
    bare_epochs: Dict[str, Any] = {s: [] for s in STRATEGIES}
    qemu_epochs = []
    with BareLoop('anon', TIB, pattern) as bare, \
            ExactMemory(os.environ['QTEST_QEMU_BINARY'], TIB,
                        thp='off', reserve='off') as qemu:
        empty = qemu.info()['metadata']
        # As above, QEMU learns how much one call can take.
        for _ in range(3):
            qemu.touch(pattern)
            qemu.epoch()
        for _ in range(rounds):
            for strategy in STRATEGIES:
                bare.touch(pattern)
                bare.settle()
                bare_epochs[strategy].append(bare.epoch(strategy))
                qemu.touch(pattern)
                bare.settle()
                epoch = qemu.epoch()
                if epoch['accessed'] != pages * PAGE:
                    sys.exit(f'sparse-cost: {pages} pages were accessed, '
                             f'{epoch["accessed"] // PAGE} seen')
                qemu_epochs.append(epoch)
        return {
            'pages': pages, 'bare': bare_epochs, 'qemu': qemu_epochs,
            'metadata_empty': empty, 'metadata': qemu.info()['metadata'],
            'query_us': median_us(qemu.info),
            'nothing_us': median_us(lambda: qemu.command('query-name')),
        }


def main() -> None:
    """Measure with few and with many populated pages."""
    parser = argparse.ArgumentParser(usage=__doc__.rpartition('usage: ')[2])
    parser.add_argument('result')
    parser.add_argument('--rounds', type=int, default=3)
    args = parser.parse_args()

    result = []
    for pages in POPULATED:
        print(f'sparse-cost: 1 TiB, {pages} pages', file=sys.stderr)
        result.append(measure(pages, args.rounds))
    with open(args.result, 'w', encoding='utf8') as file:
        json.dump(result, file, indent=1)


if __name__ == '__main__':
    main()
