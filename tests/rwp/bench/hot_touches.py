# How much a load has done
#
# SPDX-License-Identifier: GPL-2.0-or-later

from typing import Dict


def hot_touches(before: Dict[str, int], after: Dict[str, int]) -> int:
    """Touches of the hot set between two answers of status."""
    return sum(after[key] - before[key] for key in ('hot-reads', 'hot-writes'))


def hot_rate(before: Dict[str, int], after: Dict[str, int]) -> float:
    """The same, in a second of the guest's time."""
    return hot_touches(before, after) * 1e6 / (after['us'] - before['us'])
