# From what was measured of migration to tables and verdicts
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""Medians of the runs on each side, and ratios of these.

Not minima, as elsewhere: what a migration sends and takes depends on what the
guest happens to write, so the least of many is no better than any other.  The
spread is that of the ratios of the pairs.
"""

import statistics
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

from hot_touches import touches
import limits
from limits import Check
from migration_parts import PARTS
from table import Table


Result = Tuple[List[Table], List[Check]]
Run = Dict[str, Any]

MIB = 1 << 20


class Figure(NamedTuple):
    """Something that is measured of each run."""

    name: str
    of: Callable[[Run], float]
    form: str


def _growth(run: Run) -> float:
    """By how much the source was larger at most than at the beginning."""
    first = run['memory'][0]['VmRSS']
    most: int = max(sample['VmRSS'] for sample in run['memory'])
    return most - first


def _grown_percent(run: Run) -> float:
    """The same, of what was out."""
    return _growth(run) * 100 / run['memory'][0]['VmSwap']


def _lost_ms(run: Run) -> float:
    """
    By how much longer the load took, by its own clock, for what it did between
    the beginning and the end, than when nothing happened.
    """
    def spent(first: Dict[str, int], last: Dict[str, int]
              ) -> Tuple[int, int]:
        return (last['hot-busy-us'] - first['hot-busy-us'],
                touches('hot', first, last))
    us, done = spent(*run['load'])
    quiet_us, quiet_done = spent(*run['quiet'])
    return (us - done * quiet_us / quiet_done) / 1000


def _faults_percent(run: Run) -> float:
    """Remote faults, of the working set's pages."""
    return run['source']['ram']['postcopy-requests'] * 100 / run['hot_pages']


SENT = Figure('sent (MiB)',
              lambda run: run['source']['ram']['transferred'] / MIB, '.1f')
TIME = Figure('time (s)',
              lambda run: run['source']['total-time'] / 1000, '.2f')
DOWNTIME = Figure('downtime (ms)', lambda run: run['source']['downtime'],
                  '.0f')
ROUNDS = Figure('rounds', lambda run: run['source']['ram']['dirty-sync-count'],
                '.0f')
FAULTS = Figure('remote faults', lambda run:
                run['source']['ram']['postcopy-requests'], '.0f')
FAULTS_PERCENT = Figure('of working set (%)', _faults_percent, '.1f')
BLOCKED = Figure('blocked (ms)', lambda run:
                 run['destination'].get('postcopy-blocktime', 0), '.0f')
LOST = Figure('load lost (ms)', _lost_ms, '.0f')
OUT = Figure('out before (MiB)', lambda run:
             run['memory'][0]['VmSwap'] / MIB, '.1f')
GROWTH = Figure('source grew (MiB)', lambda run: _growth(run) / MIB, '.1f')
GROWTH_PERCENT = Figure('of that (%)', _grown_percent, '.1f')

ALL = (SENT, TIME, DOWNTIME)
POSTCOPY = (FAULTS, FAULTS_PERCENT, BLOCKED, LOST)


def _figures(name: str) -> Tuple[Figure, ...]:
    """What is told of a part."""
    part = PARTS[name]
    if part.postcopy:
        return POSTCOPY + ALL
    if part.out_percent:
        return (OUT, GROWTH, GROWTH_PERCENT) + ALL
    return ALL + (ROUNDS,)


# What limits.py has a limit for: the ratio to stock, or the figure itself.
RATIOS = {'sent': SENT, 'time': TIME, 'downtime': DOWNTIME,
          'blocked': BLOCKED, 'lost': LOST}
VALUES = {'faults_percent': FAULTS_PERCENT, 'growth_percent': GROWTH_PERCENT}


def figures_of(part: str, run: Run) -> str:
    """All figures of a single run."""
    return ', '.join(f'{figure.name} {figure.of(run):{figure.form}}'
                     for figure in _figures(part))


def _ratio(value: float, stock: float) -> float:
    """1 if there is nothing on either side; no division by nothing."""
    if not stock:
        return 1.0 if not value else float('inf')
    return value / stock


class _Compared(NamedTuple):
    """A figure of both sides."""

    stock: float
    heat: float
    pairs: List[float]          # ratios, in order of size

    @property
    def ratio(self) -> float:
        """Of the medians."""
        return _ratio(self.heat, self.stock)


def _compare(figure: Figure, result: Dict[str, Any]) -> _Compared:
    stock, heat = ([figure.of(run) for run in result[side]]
                   for side in ('stock', 'heat'))
    return _Compared(statistics.median(stock), statistics.median(heat),
                     sorted(map(_ratio, heat, stock)))


def migration(results: List[Dict[str, Any]],
              machine: Dict[str, Any]) -> Result:
    """Stock order beside that by heat."""
    # pylint: disable=unused-argument
    rows: List[Tuple[str, ...]] = []
    checks: List[Check] = []
    notes: List[str] = []
    for result in results:
        name = result['part']
        pairs = len(result['heat'])
        if result['losses']:
            notes.append(f'{name}: {len(result["losses"])} guests were lost, '
                         'and others taken in their place.')
        if not pairs:
            continue
        for figure in _figures(name):
            both = _compare(figure, result)
            rows.append((f'{name}, {figure.name}', str(pairs),
                         format(both.stock, figure.form),
                         format(both.heat, figure.form), f'{both.ratio:.3f}',
                         f'{both.pairs[0]:.3f}', f'{both.pairs[-1]:.3f}'))
        for what, limit in limits.MIGRATION[name].items():
            if what in RATIOS:
                checks.append(Check(
                    f'migration, {name}, {what}, against stock',
                    _compare(RATIOS[what], result).ratio, limit, 'x'))
            else:
                checks.append(Check(
                    f'migration, {name}, {VALUES[what].name}',
                    _compare(VALUES[what], result).heat, limit, '%'))
    return [Table(
        'Migration in stock order and by heat',
        ('what is measured', 'pairs', 'stock', 'page-heat', 'ratio', 'least',
         'most'), rows, notes)], checks


MIGRATION_REPORTS = {'migration': migration}
