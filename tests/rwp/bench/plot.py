# Pictures of what was measured
#
# SPDX-License-Identifier: GPL-2.0-or-later

from pathlib import Path
from typing import Any, Dict, List

import matplotlib
matplotlib.use('Agg')
from matplotlib import pyplot     # noqa: E402 pylint: disable=C0413


MIB = 1 << 20


def draw_resident(results: List[Dict[str, Any]], path: Path) -> None:
    """Resident memory over time, and below it what has come back from swap."""
    figure, (upper, lower) = pyplot.subplots(
        2, 1, sharex=True, figsize=(9, 7), height_ratios=(3, 2))
    for result in results:
        seconds = [sample['s'] for sample in result['samples']]
        upper.plot(seconds, [sample['resident'] / MIB
                             for sample in result['samples']],
                   label=result['by'])
        lower.plot(seconds, [sample['pswpin'] / MIB
                             for sample in result['samples']])
    load = results[0]['load_mib']
    upper.axvline(results[0]['baseline'], color='grey', linewidth=0.5)
    lower.axvline(results[0]['baseline'], color='grey', linewidth=0.5)
    upper.set_title(f'{load["hot"]} MiB hot, {load["warm"]} MiB every '
                    f'{results[0]["warm_period"]} s, {load["cold"]} MiB '
                    'never again')
    upper.set_ylabel('guest memory that is in (MiB)')
    upper.set_ylim(bottom=0)
    upper.legend()
    lower.set_ylabel('came back from swap (MiB)')
    lower.set_xlabel('seconds; the line is where reclaim starts')
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
