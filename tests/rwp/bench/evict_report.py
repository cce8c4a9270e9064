# From what was measured of eviction to tables and verdicts
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""As in report.py: minima of many, and ratios within one run."""

import statistics
from typing import Any, Dict, List, Sequence, Tuple

import limits
from limits import Check
from table import Table


Result = Tuple[List[Table], List[Check]]

MIB = 1 << 20
GIB = 1 << 30


def _ms_per_gib(run: Dict[str, Any], key: str = 'us') -> float:
    ms: float = run[key] / run['evicted'] * GIB / 1000
    return ms


def _spread(values: Sequence[float]) -> Tuple[float, float]:
    """Minimum and median."""
    return min(values), statistics.median(values)


def evict_cost(results: List[Dict[str, Any]],
               machine: Dict[str, Any]) -> Result:
    """Evictions by QEMU beside the cheapest bare loop."""
    # pylint: disable=unused-argument
    rows, checks = [], []
    for result in results:
        cut, runs = min(result['bare'].items(),
                        key=lambda item: min(map(_ms_per_gib, item[1])))
        bare = [_ms_per_gib(run) for run in runs]
        qemu = [_ms_per_gib(run) for run in result['qemu']]
        # What passes outside of the kernel's paging out.
        beside = [1 - run['engine_us'] / run['us'] for run in result['qemu']]
        cpu = [_ms_per_gib(run, 'cpu_us') for run in result['qemu']]
        ratio = min(qemu) / min(bare)
        what = f'{result["kind"]}, {result["pattern"]}'
        middle = statistics.median(qemu) / statistics.median(bare)
        rows.append((what, f'{min(bare):.0f}',
                     f'{statistics.median(bare):.0f}', cut,
                     f'{min(qemu):.0f}', f'{statistics.median(qemu):.0f}',
                     f'{min(cpu):.0f}', str(result['qemu'][-1]['calls']),
                     f'{ratio:.2f}', f'{middle:.2f}',
                     f'{statistics.median(beside) * 100:.1f}'))
        checks.append(Check(
            f'evicting {result["mib"]} MiB, {what}, against bare MADV_PAGEOUT',
            ratio, limits.EVICT_RATIO, 'x'))
    return [Table(
        'Cost of evicting (ms a GiB)',
        ('memory, cold', 'bare min', 'median', 'bytes / ranges', 'QEMU min',
         'median', 'thread CPU', 'calls', 'ratio', 'of medians',
         '% not paging out'), rows)], checks


def evict_idle(results: List[Dict[str, Any]],
               machine: Dict[str, Any]) -> Result:
    """Epochs with an evictor that has nothing to do."""
    # pylint: disable=unused-argument
    rows, checks, notes = [], [], []
    for result in results:
        figures = []
        for what, cost in (
                ('CPU of all threads', lambda epoch: epoch['cpu_us']),
                ('scan and arm', lambda epoch: epoch['pass_us'])):
            tracking = _spread([cost(e) for e in result['tracking']])
            evicting = _spread([cost(e) for e in result['evicting']])
            ratio = evicting[0] / tracking[0]
            figures.append((what, ratio))
            rows.append((f'{result["state"]}, {what}', f'{tracking[0]:.0f}',
                         f'{tracking[1]:.0f}', f'{evicting[0]:.0f}',
                         f'{evicting[1]:.0f}', f'{ratio:.3f}',
                         f'{evicting[1] / tracking[1]:.3f}'))
        notes.append(f'{result["state"]}: the evictor\'s thread takes '
                     f'{min(e["evictor_us"] for e in result["evicting"]):.0f} '
                     'us of it at the least.')
        checks.append(Check(
            f'idle epoch over {result["mib"]} MiB with evict=pageout, '
            f'{result["state"]}, {figures[0][0]}, against tracking alone',
            figures[0][1], limits.EVICT_IDLE_RATIO, 'x'))
    return [Table(
        'An epoch with nothing to evict (us)',
        ('state, cost', 'tracking min', 'median', 'evict=pageout min',
         'median', 'ratio', 'of medians'), rows, notes)], checks


def _median_rates(windows: List[Dict[str, float]]) -> Dict[str, float]:
    """Of each of the figures that they have."""
    return {key: statistics.median(window[key] for window in windows)
            for key in windows[0]}


def evict_phase(results: List[Dict[str, Any]],
                machine: Dict[str, Any]) -> Result:
    """What a guest whose cold memory became hot has lost, and for how long."""
    # pylint: disable=unused-argument
    rows, checks = [], []
    for result in results:
        rounds = result['rounds']
        for one in rounds:
            one['rate_off'] = _median_rates(one['switched']['off'])
            one['rate_on'] = _median_rates(one['switched']['pageout'])
        no_evictor = {'small': 'rate_off',
                      'huge': 'rate_without'}[result['memory']]
        lost = {what: [(1 - one[key][which] / one[reference][which]) * 100
                       for one in rounds]
                for what, which, key, reference in (
                    ('beside', 'relative', 'rate_beside', 'rate_without'),
                    ('meanwhile', 'relative', 'rate_meanwhile', no_evictor),
                    ('later', 'relative', 'rate', no_evictor),
                    ('all', 'all', 'rate_on', 'rate_off'))}
        later = statistics.median(lost['later'])
        evicted = max(one['evicted_later'] for one in rounds)
        back = statistics.median(one['came_back'] for one in rounds)
        rows.append((
            result['memory'], str(len(rounds)), f'{back / MIB:.1f}',
            str(max(one['known_after_epochs'] for one in rounds)),
            f'{evicted / MIB:.1f}',
            f'{statistics.median(lost["beside"]):+.1f}',
            f'{statistics.median(lost["meanwhile"]):+.1f}', f'{later:+.1f}',
            f'{min(lost["later"]):+.1f}', f'{max(lost["later"]):+.1f}',
            f'{statistics.median(lost["all"]):+.1f}'))
        what = f'{result["memory"]} pages, cold memory became hot'
        checks += [
            Check(f'{what}: throughput lost {result["epochs_later"]} intervals '
                  'after the one that shows it', later,
                  limits.PHASE_LOST_PERCENT, '%'),
            Check(f'{what}: evicted from then on', evicted,
                  limits.PHASE_EVICTED, 'bytes')]
    return [Table(
        'Throughput when cold memory becomes hot (% lost, of no evictor)',
        ('memory', 'guests', 'came back (MiB)', 'known after (intervals)',
         'went since (MiB)', 'before', 'in the two intervals', 'after them',
         'least', 'most', 'both sets, evictor on'), rows)], checks


def _between(samples: List[Dict[str, Any]], first: float, last: float
             ) -> List[Dict[str, Any]]:
    return [sample for sample in samples if first <= sample['s'] <= last]


def _grown(samples: List[Dict[str, Any]], *keys: str) -> int:
    """By how much counters have grown."""
    return sum(samples[-1][key] - samples[0][key] for key in keys)


def _hot_rate(samples: List[Dict[str, Any]]) -> float:
    """Hot pages touched in a second of the guest's time."""
    return _grown(samples, 'hot_reads', 'hot_writes') * 1e6 / \
        _grown(samples, 'guest_us')


def _warm_us(samples: List[Dict[str, Any]]) -> float:
    """Guest time for one touch of a warm page."""
    return _grown(samples, 'warm_busy_us') / \
        _grown(samples, 'warm_reads', 'warm_writes')


def evict_resident(results: List[Dict[str, Any]],
                   machine: Dict[str, Any]) -> Result:
    """What each reclaimer saves, and what the guest pays for it."""
    # pylint: disable=unused-argument
    rows = []
    for result in results:
        samples = result['samples']
        before = _between(samples, 0, result['baseline'])
        after = _between(samples, samples[-1]['s'] - result['compared'],
                         samples[-1]['s'])
        was = statistics.mean(sample['resident'] for sample in before)
        now = statistics.mean(sample['resident'] for sample in after)
        minutes = (after[-1]['s'] - after[0]['s']) / 60
        rows.append((
            result['by'], f'{was / MIB:.0f}', f'{now / MIB:.0f}',
            f'{(was - now) / MIB:.0f}', f'{(was - now) * 100 / was:.0f}',
            f'{_grown(samples, "pswpin") / MIB:.1f}',
            f'{_grown(after, "pswpin") / MIB / minutes:.1f}',
            f'{_grown(after, "pswpout") / MIB / minutes:.1f}',
            f'{_hot_rate(after) * 100 / _hot_rate(before):.0f}',
            f'{_warm_us(after) / _warm_us(before):.1f}'))
    loads = results[0]['load_mib']
    note = (f'A load of {sum(loads.values())} MiB: {loads["hot"]} MiB hot, '
            f'{loads["warm"]} MiB touched every '
            f'{results[0]["warm_period"]} s, {loads["cold"]} MiB never '
            'again. Per minute: in the last '
            f'{results[0]["compared"]} s, as all of "now".')
    return [Table(
        'Resident memory of a guest (MiB)',
        ('by', 'before', 'now', 'saved', '%', 'came back', 'a minute',
         'went a minute', 'hot touches, % of before',
         'time of a warm touch, of before'), rows, (note,))], []


EVICT_REPORTS = {'evict-cost': evict_cost, 'evict-idle': evict_idle,
                 'evict-phase': evict_phase,
                 'evict-resident': evict_resident}
