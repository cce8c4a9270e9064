# The kinds of memory that a backend can have
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""By the names that bare-loop has for them."""

from typing import Dict, NamedTuple


PAGE = 4096
HUGE = 2 << 20


class Kind(NamedTuple):
    """One kind of memory."""

    granule: int                # bytes that one access marks
    backend: Dict[str, str]     # properties of the memory-backend-rwp


KINDS: Dict[str, Kind] = {
    'anon': Kind(PAGE, {'share': 'off', 'thp': 'off'}),
    'memfd': Kind(PAGE, {'share': 'on', 'thp': 'off'}),
    'thp': Kind(HUGE, {'share': 'off', 'thp': 'on'}),
    'hugetlb': Kind(HUGE, {'share': 'on', 'hugetlb': 'on',
                           'hugetlbsize': '2M'}),
}
