# From what was measured to tables and verdicts
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""
Every figure that a limit is put to is a ratio of two that were measured in
the same run.  Of repeated measurements of one thing the minimum is taken: what
a machine does besides can only add to it.  The median beside it tells how much
it did.
"""

import statistics
from typing import Any, Dict, List, Sequence, Tuple

import limits
from evict_report import EVICT_REPORTS
from limits import Check
from migration_report import MIGRATION_REPORTS
from table import Table


Result = Tuple[List[Table], List[Check]]


def _epoch_us(epoch: Dict[str, Any]) -> float:
    us: float = epoch['scan_us'] + epoch['arm_us']
    return us


def _best_bare(strategies: Dict[str, List[Dict[str, Any]]]
               ) -> Tuple[str, List[float]]:
    """The cheapest strategy and its epochs."""
    best = min(strategies,
               key=lambda name: min(map(_epoch_us, strategies[name])))
    return best, [_epoch_us(epoch) for epoch in strategies[best]]


def epoch_cost(results: List[Dict[str, Any]],
               machine: Dict[str, Any]) -> Result:
    """Epochs of QEMU beside the cheapest bare loop."""
    # pylint: disable=unused-argument
    rows, checks = [], []
    for result in results:
        strategy, bare = _best_bare(result['bare'])
        qemu = [_epoch_us(epoch) for epoch in result['qemu']]
        cpu = [epoch['cpu_us'] for epoch in result['qemu']]
        ratio = min(qemu) / min(bare)
        rows.append((f'{result["kind"]}, {result["pattern"]}',
                     f'{min(bare):.0f}', f'{statistics.median(bare):.0f}',
                     strategy.replace('chunk=', '').replace(',gap=', ' / '),
                     f'{min(qemu):.0f}', f'{statistics.median(qemu):.0f}',
                     f'{min(cpu):.0f}', str(result['qemu'][-1]['arm_calls']),
                     f'{ratio:.2f}',
                     f'{statistics.median(qemu) / statistics.median(bare):.2f}'
                     ))
        checks.append(Check(
            f'epoch over {result["mib"]} MiB, {result["kind"]}, '
            f'{result["pattern"]} accessed, against the bare loop', ratio,
            limits.EPOCH_RATIO, 'x'))
    return [Table(
        'Cost of an epoch (us)',
        ('memory, accessed', 'bare min', 'median', 'chunk / gap', 'QEMU min',
         'median', 'thread CPU', 'arm calls', 'ratio', 'of medians'),
        rows)], checks


def sparse_cost(results: List[Dict[str, Any]],
                machine: Dict[str, Any]) -> Result:
    """1 TiB with more and more populated pages."""
    # pylint: disable=unused-argument
    rows, checks = [], []
    for result in results:
        _, bare = _best_bare(result['bare'])
        qemu = [_epoch_us(epoch) for epoch in result['qemu']]
        ratio = min(qemu) / min(bare)
        rows.append((str(result['pages']), f'{min(bare):.0f}',
                     f'{min(qemu):.0f}', f'{ratio:.2f}',
                     f'{result["metadata_empty"] / 1024:.0f}',
                     f'{result["metadata"] / 1024:.0f}',
                     f'{result["query_us"]:.0f}',
                     f'{result["nothing_us"]:.0f}'))
        checks.append(Check(
            f'metadata of 1 TiB with {result["pages"]} pages populated',
            result['metadata'] * 100 / (1 << 40), limits.METADATA_PERCENT,
            '% of RAM'))
        checks.append(Check(
            f'query-working-set, 1 TiB with {result["pages"]} pages '
            'populated, against query-name',
            result['query_us'] / result['nothing_us'],
            limits.QUERY_RATIO, 'x'))
    few, many = (min(map(_epoch_us, result['qemu']))
                 for result in (results[0], results[-1]))
    checks.append(Check(
        f'epoch over 1 TiB with {results[0]["pages"]} pages populated, '
        f'against one with {results[-1]["pages"]}', few / many,
        limits.SPARSE_RATIO, 'x'))
    return [Table(
        '1 TiB, sparsely populated',
        ('pages in use', 'bare (us)', 'QEMU (us)', 'ratio',
         'metadata, empty (KiB)', 'metadata (KiB)', 'query (us)',
         'query-name (us)'), rows)], checks


def metadata_cost(results: List[Dict[str, Any]],
                  machine: Dict[str, Any]) -> Result:
    """Host memory used for tracking."""
    # pylint: disable=unused-argument
    rows, checks = [], []
    for result in results:
        size = result['mib'] << 20
        own, grown = (result[key] * 100 / size
                      for key in ('metadata', 'grown'))
        rows.append((result['kind'], f'{result["metadata"] / 1024:.0f}',
                     f'{own:.4f}', f'{result["grown"] / 1024:.0f}',
                     f'{grown:.4f}'))
        for what, value in (("QEMU's account", own),
                            ('growth of QEMU', grown)):
            checks.append(Check(
                f'metadata of {result["mib"]} MiB {result["kind"]}, {what}',
                value, limits.METADATA_PERCENT, '% of RAM'))
    return [Table(
        'Memory used for tracking 1 GiB',
        ('memory', "QEMU's account (KiB)", '% of RAM', 'growth (KiB)',
         '% of RAM'), rows)], checks


def _spread(values: Sequence[float]) -> float:
    """Half of the interquartile range: what the median may be off by."""
    if len(values) < 4:
        return (max(values) - min(values)) / 2
    low, _, high = statistics.quantiles(values, n=4)
    return (high - low) / 2


def _windows(result: Dict[str, Any], **wanted: Any) -> List[Dict[str, Any]]:
    return [window for window in result['windows']
            if all(window.get(key) == value for key, value in wanted.items())]


def _middle(windows: List[Dict[str, Any]], key: str) -> str:
    """Of all snapshots; nothing if there are none."""
    values = [value for window in windows for value in window.get(key, [])]
    return f'{statistics.median(values):.1f}' if values else ''


def _lost_row(what: str, lost: Sequence[float], more: Sequence[str] = ()
              ) -> Sequence[str]:
    return (what, str(len(lost)), f'{statistics.median(lost):+.2f}',
            f'{min(lost):+.2f}', f'{max(lost):+.2f}', *more)


def _slowdown(result: Dict[str, Any], machine: Dict[str, Any]) -> Result:
    """One guest."""
    memory = result['memory']
    single = result['epoch_lost_seconds']
    # The standard error, of a median: many epochs are better than one.
    off_by = 1.25 * _spread(single) / 0.67 / len(single) ** 0.5
    loss = statistics.median(single)
    off = [w['lost_percent'] for w in _windows(result, watcher=None)]
    rows = []
    if off:
        rows.append(_lost_row(f'{memory}, no watcher', off, ('',)))
    seen_rows = []
    checks = []
    if off:
        checks.append(Check(
            f'noise of the machine, {memory} pages: windows without a '
            'watcher, against their neighbours',
            statistics.median(map(abs, off)), limits.NOISE_PERCENT, '%'))

    watched = [('rwp', interval) for interval in (1, 5, 30)]
    watched += [('damon', None), ('clear_refs', None)]
    for name, interval in watched:
        windows = _windows(result, watcher=name, interval=interval)
        if not windows:
            continue
        lost = [w['lost_percent'] for w in windows]
        errors = [w['error_percent'] for w in windows]
        cpu = [w['cpu_percent'] for w in windows]
        scaled = f'{loss * 100 / interval:+.3f}' if interval else ''
        what = f'{memory}, {name}' + (f' every {interval} s' if interval
                                      else '')
        rows.append(_lost_row(what, lost, (scaled,)))
        seen_rows.append((what, f'{statistics.median(cpu):.2f}',
                          _middle(windows, 'epoch_cpu_ms'),
                          f'{statistics.median(errors):+.1f}',
                          _middle(windows, 'missed_percent'),
                          _middle(windows, 'cold_percent')))
    notes = (f'{memory}: an epoch costs the guest {loss * 1000:.1f} ms '
             f'(standard error {off_by * 1000:.1f} ms, {len(single)} epochs, '
             f'{result["hot_mib"]} MiB hot). Its kernel alone touches '
             f'{result["idle_bytes"] / (1 << 20):.0f} MiB, which is part of '
             'the error of each working set.',)
    tables = [
        Table(f'Slowdown of the guest, {memory} pages (%)',
              ('watched by', 'windows', 'median', 'least', 'most',
               'from epochs'), rows, notes),
        Table(f'What watching costs the host and tells, {memory} pages',
              ('watched by', 'CPU (%)', 'a look (ms)',
               'error of working set (%)', 'hot pages missed (%)',
               'cold pages told (%)'), seen_rows)]
    if memory in limits.SLOWDOWN_NOT_EMULATED and machine['emulated']:
        return tables, checks

    checks.append(Check(
        f'slowdown at 30 s, {memory} pages, from {len(single)} single epochs',
        loss * 100 / 30, limits.SLOWDOWN_PERCENT, '%'))
    direct = [w['lost_percent']
              for w in _windows(result, watcher='rwp', interval=30)]
    if direct:
        # Only what stands out of the noise can break the limit.
        noise = max(map(abs, off), default=0.0)
        checks.append(Check(
            f'slowdown at 30 s, {memory} pages, {len(direct)} whole '
            f'intervals, beyond the noise of {noise:.1f} %',
            max(0.0, statistics.median(direct) - noise),
            limits.SLOWDOWN_PERCENT, '%'))
    return tables, checks


def guest_slowdown(results: List[Dict[str, Any]],
                   machine: Dict[str, Any]) -> Result:
    """All guests."""
    tables, checks = [], []
    for result in results:
        more_tables, more_checks = _slowdown(result, machine)
        tables += more_tables
        checks += more_checks
    return tables, checks


REPORTS = {'epoch-cost': epoch_cost, 'sparse-cost': sparse_cost,
           'metadata-cost': metadata_cost, 'guest-slowdown': guest_slowdown,
           **EVICT_REPORTS, **MIGRATION_REPORTS}
