# How much a load has done
#
# SPDX-License-Identifier: GPL-2.0-or-later

from typing import Dict


def touches(name: str, before: Dict[str, int], after: Dict[str, int]) -> int:
    """Touches of the set of that name between two answers of status."""
    return sum(after[f'{name}-{kind}'] - before[f'{name}-{kind}']
               for kind in ('reads', 'writes'))


def hot_rate(before: Dict[str, int], after: Dict[str, int]) -> float:
    """Those of the hot set in a second of the guest's time."""
    return touches('hot', before, after) * 1e6 / (after['us'] - before['us'])
