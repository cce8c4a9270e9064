#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How much host memory tracking uses, by its own account and by the kernel's.

The machine is populated completely, then tracking is switched on: what QEMU's
anonymous memory grows by is all that tracking needs, whatever it is for.

usage: metadata-cost.py RESULT.json
"""

import argparse
import json
import os
import sys
from typing import Any, Dict

from exact_memory import ExactMemory
from huge_pool import HugePool
from memory_kinds import KINDS


MIB = 1024


def measure(name: str) -> Dict[str, Any]:
    """Metadata of one kind of memory after a few epochs."""
    kind = KINDS[name]
    pool = MIB if name == 'hugetlb' else 0
    with HugePool(pool), \
            ExactMemory(os.environ['QTEST_QEMU_BINARY'], MIB, kind.granule,
                        tracking='off', **kind.backend) as qemu:
        # A huge page is populated by its first byte.
        qemu.touch('all')
        # What a query allocates for its answer is not tracking's.
        qemu.info()
        before = qemu.anonymous_bytes()
        qemu.set_tracking('on')
        for pattern in ('scattered', 'all', 'none'):
            qemu.touch(pattern)
            qemu.epoch()
        return {'kind': name, 'mib': MIB, 'present': qemu.info()['present'],
                'metadata': qemu.info()['metadata'],
                'grown': qemu.anonymous_bytes() - before}


def main() -> None:
    """Measure each kind of memory."""
    parser = argparse.ArgumentParser(usage=__doc__.rpartition('usage: ')[2])
    parser.add_argument('result')
    args = parser.parse_args()

    result = []
    for name in KINDS:
        print(f'metadata-cost: {name}', file=sys.stderr)
        result.append(measure(name))
    with open(args.result, 'w', encoding='utf8') as file:
        json.dump(result, file, indent=1)


if __name__ == '__main__':
    main()
