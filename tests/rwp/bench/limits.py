# What the bench holds the tracker to
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""The limits, all in one place."""

from typing import NamedTuple


# Cost of an epoch over that of the cheapest bare loop of the same system
# calls, on the same memory with the same pages accessed.
EPOCH_RATIO = 1.15

# Cost of an epoch over 1 TiB with few populated pages over that with 256 times
# as many: if size decided, it would be 1, if only pages did, 0.004.
SPARSE_RATIO = 0.1

# Host memory that tracking uses, in percent of the memory tracked.
METADATA_PERCENT = 0.05

# Slowdown of the guest at the default interval of 30 s, in percent.
# (DAMON's published figure is 1.16 %.)
SLOWDOWN_PERCENT = 1.0

# Memory for which that is only told where it is emulated: a fault on a small
# page costs a nested guest some 50 times what hardware takes for it, while
# all else that the guest does is less than ten times slower.
SLOWDOWN_NOT_EMULATED = ('small',)

# By how much neighbouring windows without a watcher may differ, in percent,
# the middle one of them: beyond that, someone else has used the machine, and
# the table of the guest means nothing.
NOISE_PERCENT = 5.0

# Time of query-working-set over that of a query which asks for nothing:
# an answer must never be worked out from the pages, however many there are.
QUERY_RATIO = 5.0

# Cost of evicting over that of a bare loop of MADV_PAGEOUT over the same
# memory, which knows beforehand what is cold.
EVICT_RATIO = 1.2

# Cost of an epoch with an evictor that has nothing to do, over tracking alone.
EVICT_IDLE_RATIO = 1.05

# What a guest may have lost of its throughput two intervals after the one that
# showed that its cold memory became hot, in percent, the middle one of several
# guests; and how many bytes may go in these.
PHASE_LOST_PERCENT = 5.0
PHASE_EVICTED = 0

# What page-heat must make of a migration, by the bench's part: ratios to stock
# order; 'faults_percent' is of the working set's pages, 'growth_percent' of
# what was in swap.  (Zaw and Thein: 23.67 % less sent, 11.45 % less time, with
# the working set sent last.  Hines and Gopalan: faults on 17 to 21 % of the
# working set.)
MIGRATION = {
    'precopy-hot10': {'sent': 0.76, 'time': 0.88, 'downtime': 1.0},
    'precopy-hot25': {'sent': 0.76, 'time': 0.88, 'downtime': 1.0},
    'postcopy': {'faults_percent': 20.0, 'blocked': 0.5, 'lost': 0.5},
    'postcopy-huge': {'faults_percent': 20.0, 'blocked': 0.5, 'lost': 0.5},
    'postcopy-unsplit': {},     # for comparison
    'swapped': {'growth_percent': 10.0, 'time': 1.0},
    'read-mostly': {'sent': 1.03, 'time': 1.03},
    'uniform': {'sent': 1.03, 'time': 1.03},
    'uniform-written': {'sent': 1.03, 'time': 1.03},
}


class Check(NamedTuple):
    """One figure and the limit that it is held to."""

    what: str
    value: float
    limit: float
    unit: str

    @property
    def broken(self) -> bool:
        """Whether the limit is exceeded."""
        return self.value > self.limit

    def __str__(self) -> str:
        verdict = 'BROKEN' if self.broken else 'kept'
        return (f'{verdict:6}  {self.what}: {self.value:.3g} {self.unit} '
                f'(limit {self.limit:g} {self.unit})')
