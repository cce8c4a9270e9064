# What is migrated in the bench of migration, and how
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""A guest's load and the migration's settings, by the name of the part."""

from typing import Dict, NamedTuple, Tuple


GUEST_MIB = 320

# Of the interval that the guest is tracked with, and how many of them are to
# be seen before it is migrated.
INTERVAL_MS = 4000
LEARN_INTERVALS = 5


class Part(NamedTuple):
    """All but the capability page-heat is the same on both sides of a pair."""

    load_mib: Dict[str, int]
    runs: Tuple[str, ...]           # what the load does, all the time
    link_mib: int                   # a second
    final_mib: int                  # what may be left when the guest stops
    shuffled: Tuple[str, ...] = ()  # sets that are touched in random order
    postcopy: bool = False          # from the beginning
    out_percent: int = 0            # of what is resident goes to swap before
    piece: str = '2M'               # in which hot and cold lie side by side
    split_thp: bool = False         # before the intervals that are to be seen
    pairs: int = 6                  # even: each order is first as often
    heat_first: bool = False        # or always that by heat

    @property
    def guest_thp(self) -> str:
        """Whether the guest's load is to have huge pages."""
        return 'on' if self.piece == '2M' else 'off'

    @property
    def downtime_ms(self) -> int:
        """The downtime-limit that makes it that."""
        return self.final_mib * 1000 // self.link_mib


# The working set is what the guest uses in 12 s, three times as long as the
# link takes for it.  It lies scattered, as in a guest that has been running for
# long, or (postcopy-huge) in huge pages of the guest.
POSTCOPY = Part(
    {'hot': 64, 'cold': 136}, ('hot write=20 period=12000',), 16, 8,
    shuffled=('hot',), postcopy=True, piece='64K', split_thp=True)

UNIFORM = Part(
    {'hot': 200}, ('hot write=5 period=20000',), 16, 8, shuffled=('hot',))

PARTS: Dict[str, Part] = {
    # Hot memory is written faster than it can be sent, and fits what may be
    # left.  What keeps stock from stopping the guest after the first round is
    # that besides some memory is written now and then, as in any guest: as
    # long as that has not been sent, it sends what is hot again and again.
    'precopy-hot10': Part(
        {'hot': 32, 'warm': 44, 'cold': 124},
        ('hot write=100 period=1000', 'warm write=50 period=5000'), 16, 42,
        # So much is sent while the guest is stopped that chance shows.
        pairs=8),
    'precopy-hot25': Part(
        {'hot': 80, 'warm': 44, 'cold': 76},
        ('hot write=100 period=2500', 'warm write=50 period=5000'), 16, 116,
        pairs=8),
    'postcopy': POSTCOPY,
    'postcopy-huge': POSTCOPY._replace(piece='2M'),
    # For comparison: what is known without split-thp.  After postcopy memory is
    # in small pages, so only who is first has huge ones.
    'postcopy-unsplit': POSTCOPY._replace(split_thp=False, pairs=2,
                                          heat_first=True),
    # So slow that it is the link that decides, not swapping in.
    'swapped': Part({'cold': 100}, (), 4, 4, out_percent=80),
    'read-mostly': Part(
        {'hot': 80, 'cold': 120}, ('hot write=1 period=2000',), 16, 8),
    'uniform': UNIFORM,
    # A quarter as fast as it is sent: more comes back than in any other part.
    'uniform-written': UNIFORM._replace(runs=('hot write=40 period=20000',)),
}
