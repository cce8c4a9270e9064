#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What evicting costs, beside a bare MADV_PAGEOUT loop over the same ranges.

Both have memory of the same kind, size and content, both have armed it, and
the same of it is cold.  They take turns.  QEMU's figure is what passes between
evict-cold-memory and its answer; it has in it to find what is cold, to ask the
kernel whether it still is, and to see what came of it.  The bare loop does
none of that.

usage: evict-cost.py RESULT.json [--rounds N] [--mib N] [--kind KIND]...
"""

import argparse
import json
import os
import sys
from typing import Any, Dict, List, Tuple

from bare_loop import BareLoop
from evict_memory import EvictMemory
from memory_kinds import HUGE, KINDS, PAGE
from other_process import OtherMemory


# What is cold:
#   all          everything
#   half         every second granule, and the last epoch has seen the others
#   half-unseen  the same, but the others were accessed after the last epoch
# The bare loop only knows ranges.
PATTERNS = {'all': 'all', 'half': 'half', 'half-unseen': 'half'}

KINDS_HERE = ('anon', 'thp', 'memfd')

MIB = {PAGE: 64, HUGE: 128}

# Bytes and ranges that the bare loop gives to one call; the cheapest counts.
CUTS: Dict[str, Tuple[Tuple[int, int], ...]] = {
    'all': ((8 << 20, 1), (1 << 30, 1)),
    'half': ((8 << 20, 1), (8 << 20, 32), (1 << 30, 512)),
}

# Where a program's few hot pages lie decides much under emulation
# (epoch-cost.py has more on that), so both are started several times.
LAUNCHES = 2

# What may be kept: pages on their way to another processor's list of new
# pages are not to be had for a moment.
KEPT_SHARE = 0.01


def check_went(who: str, pattern: str, went: int, cold: int) -> None:
    """What has not done the same work is not worth comparing."""
    if not (1 - KEPT_SHARE) * cold <= went <= cold:
        sys.exit(f'evict-cost: {pattern}: {cold} bytes were cold, {who} has '
                 f'evicted {went}')


def prepare(side: Any, memory: OtherMemory, pattern: str) -> int:
    """All in, armed, and cold what is to be; returns how much that is."""
    memory.fill()
    side.epoch()
    if pattern == 'all':
        return memory.size
    if pattern == 'half':
        memory.touch_every_second(side.granule)
        side.epoch()
        return memory.size // 2
    memory.touch_every_second(side.granule)
    return memory.size // 2


class BareSide:
    """The bare loop, with the methods that the other side has."""

    def __init__(self, bare: BareLoop):
        self._bare = bare
        self.granule = bare.granule

    def epoch(self) -> None:
        """Arm what was accessed."""
        self._bare.epoch('chunk=whole,gap=whole')


def evict_bare(bare: BareLoop, memory: OtherMemory, pattern: str,
               cut: Tuple[int, int]) -> Dict[str, Any]:
    """One eviction by the bare loop."""
    cold = prepare(BareSide(bare), memory, pattern)
    bare.settle()
    before = memory.resident()
    result = bare.pageout(PATTERNS[pattern], *cut)
    result['evicted'] = before - memory.resident()
    check_went('the bare loop', pattern, result['evicted'], cold)
    return result


def evict_qemu(qemu: EvictMemory, memory: OtherMemory, pattern: str,
               settle: BareLoop) -> Dict[str, Any]:
    """One eviction by QEMU."""
    cold = prepare(qemu, memory, pattern)
    settle.settle()
    before = memory.resident()
    # With 0, what the last epoch saw would go as well.
    result = qemu.evict(qemu.EPOCH_SECONDS // 2 if pattern == 'half' else 0)
    check_went('QEMU', pattern, result['evicted'], cold)
    check_went('by the kernel, QEMU', pattern, before - memory.resident(),
               cold)
    return result


def compare(kind: str, pattern: str, mib: int, rounds: int) -> Dict[str, Any]:
    """Both, in turns."""
    cuts = CUTS[PATTERNS[pattern]]
    granule = KINDS[kind].granule
    bare_runs: Dict[str, List[Dict[str, Any]]] = {}
    qemu_runs: List[Dict[str, Any]] = []

    # What comes back comes in small pages, so huge ones serve only once.
    turns = [[cut] for cut in cuts * rounds * LAUNCHES] if granule == HUGE \
        else [list(cuts * rounds)] * LAUNCHES
    for launch in turns:
        with BareLoop(kind, mib, 'none') as bare, \
                OtherMemory(bare.pid, bare.base, mib << 20) as of_bare, \
                EvictMemory(os.environ['QTEST_QEMU_BINARY'], mib, granule,
                            **KINDS[kind].backend) as qemu, \
                qemu.other() as of_qemu:
            for chunk, ranges in launch:
                bare_runs.setdefault(f'{chunk >> 20}M / {ranges}', []).append(
                    evict_bare(bare, of_bare, pattern, (chunk, ranges)))
                qemu_runs.append(evict_qemu(qemu, of_qemu, pattern, bare))
    return {'kind': kind, 'mib': mib, 'pattern': pattern, 'bare': bare_runs,
            'qemu': qemu_runs}


def main() -> None:
    """Compare all kinds and patterns."""
    parser = argparse.ArgumentParser(usage=__doc__.rpartition('usage: ')[2])
    parser.add_argument('result')
    parser.add_argument('--rounds', type=int, default=2)
    parser.add_argument('--mib', type=int)
    parser.add_argument('--kind', action='append', choices=KINDS_HERE)
    parser.add_argument('--pattern', action='append', choices=tuple(PATTERNS))
    args = parser.parse_args()

    result = []
    for kind in args.kind or KINDS_HERE:
        for pattern in args.pattern or PATTERNS:
            print(f'evict-cost: {kind}, {pattern}', file=sys.stderr)
            result.append(compare(
                kind, pattern, args.mib or MIB[KINDS[kind].granule],
                args.rounds))
            # What is known is known, should the next one fail.
            with open(args.result, 'w', encoding='utf8') as file:
                json.dump(result, file, indent=1)


if __name__ == '__main__':
    main()
