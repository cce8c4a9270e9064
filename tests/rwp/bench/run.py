#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Measure on a kernel with RWP, print tables, say which limits hold.

usage: run.py [--only NAME]... [--report] [--update-docs]

  --only NAME     only this program: epoch-cost, sparse-cost, metadata-cost,
                  guest-slowdown, evict-cost, evict-idle, evict-phase,
                  evict-resident or migration; or a part of one, as
                  epoch-cost:anon
  --report        do not measure, only tell again what was measured last
  --update-docs   put the tables into docs/devel/rwp-benchmarks.rst; those of
                  programs that lack results stay as they are

Results are in build/bench: a JSON file for each part, tables.txt and
tables.rst with the tables, and resident.png. Those of other parts stay, and
are told again. The exit status is 1 if a limit (limits.py) is broken, 2 if
something could not be measured.
"""

import argparse
import json
from pathlib import Path
import shutil
import subprocess
import sys
from typing import Any, Dict, List

from docs_tables import put_tables
from limits import Check
from programs import CHOICES, PROGRAMS, parts_of, result_file
from report import REPORTS
from table import Table


TOP = Path(__file__).resolve().parents[3]
SCRIPTS = TOP / 'scripts/rwp'
ROOT = TOP / 'build/vm/root'
RESULTS = TOP / 'build/bench'
DOCS = TOP / 'docs/devel/rwp-benchmarks.rst'

# Two memories of 2 GiB at a time; swap for what is evicted; more time than any
# part takes.
VM_OPTIONS = ('--mem', '6144', '--zram', '4096', '--timeout', '5400')


def bring_up_to_date() -> None:
    """The bare loop, and what the outer VM has of it and of the bench."""
    here = Path(__file__).resolve().parent
    program = ROOT / 'bin/bare-loop'
    newest = max(path.stat().st_mtime for path in here.glob('*.[ch]'))
    if not program.exists() or program.stat().st_mtime < newest:
        # Static, so that it runs in the outer VM as it does here.
        subprocess.run(['gcc', '-O2', '-Wall', '-Wextra', '-static',
                        '-pthread', '-o', str(program),
                        *map(str, here.glob('*.c'))], check=True)
    subprocess.run([str(SCRIPTS / 'vm-image')], check=True)


def written_ns(part: str) -> int:
    """When its last result was written, 0 if there is none."""
    path = RESULTS / result_file(part)
    return path.stat().st_mtime_ns if path.exists() else 0


def measure_part(part: str) -> bool:
    """Run it where there is RWP; false if it failed or left no results."""
    before = written_ns(part)
    # Where the host itself has RWP, the results are in its own work folder; if
    # one was stopped, in part.
    on_host = TOP / 'build/logs/host/bench'
    shutil.rmtree(on_host, ignore_errors=True)
    status = subprocess.run(
        [str(SCRIPTS / 'on-rwp-kernel'), *VM_OPTIONS,
         '--get', f'/run/work/bench:{RESULTS}', '--',
         'python3', 'tests/rwp/bench/measure.py', part],
        check=False).returncode
    if on_host.is_dir():
        shutil.copytree(on_host, RESULTS, dirs_exist_ok=True)
        shutil.rmtree(on_host)
    if 0 < before == written_ns(part):
        print(f'bench: there are no new results of {part}; what is told are '
              'those of an earlier run', file=sys.stderr)
        return False
    return status == 0


def measure(parts: List[str]) -> bool:
    """Run them one after the other; false if any of them failed.

    Each in a boot of its own, for it takes hours in all: what was measured
    stays if a later one is stopped, or runs into the VM's limit of time.
    """
    bring_up_to_date()
    RESULTS.mkdir(parents=True, exist_ok=True)
    failed = [part for part in parts if not measure_part(part)]
    return not failed


def load(file: str) -> Any:
    """A result of the last measurement, or None."""
    path = RESULTS / file
    if not path.exists():
        return None
    return json.loads(path.read_text(encoding='utf8'))


def where(machine: Dict[str, Any]) -> str:
    """One sentence on what was measured on."""
    times = ('; it is emulated (TCG), so times are not those of hardware and '
             'only ratios mean something' if machine['emulated'] else '')
    return (f'{machine["qemu"]} on Linux {machine["kernel"]}, '
            f'{machine["cpus"]} processors{times}.')


def figures_of(program: str) -> str:
    """Where in the docs they belong."""
    for subject, figures in (('evict', 'eviction figures'),
                             ('migration', 'migration figures')):
        if program.startswith(subject):
            return figures
    return 'figures'


def draw() -> None:
    """The picture, if there is something to be drawn and to draw with."""
    parts = map(load, map(result_file, parts_of('evict-resident')))
    results = [result for part in parts if part for result in part]
    if not results:
        return
    try:
        from plot import draw_resident  # pylint: disable=C0415
    except ImportError as error:
        print(f'bench: no picture: {error} (scripts/rwp/packages bench '
              'installs what it needs)', file=sys.stderr)
        return
    draw_resident(results, RESULTS / 'resident.png')


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', action='append', default=[],
                        choices=CHOICES, metavar='NAME')
    parser.add_argument('--report', action='store_true')
    parser.add_argument('--update-docs', action='store_true')
    args = parser.parse_args()

    wanted = [part for name in args.only or PROGRAMS
              for part in parts_of(name)]
    complete = args.report or measure(wanted)
    machine = load('machine.json')
    if not machine:
        return 2
    tables: List[Table] = []
    docs: Dict[str, List[Table]] = {}
    checks: List[Check] = []
    for name in PROGRAMS:
        results = []
        lacking = False
        for part in parts_of(name):
            result = load(result_file(part))
            if result is not None:
                results += result
                continue
            lacking = True
            if part in wanted:
                print(f'bench: there are no results of {part}',
                      file=sys.stderr)
                complete = False
        if not results:
            continue
        more_tables, more_checks = REPORTS[name](results, machine)
        tables += more_tables
        checks += more_checks
        if not lacking:
            docs.setdefault(figures_of(name), []).extend(more_tables)

    text = '\n'.join([where(machine) + '\n', *(t.text() for t in tables),
                      'Limits\n------', *map(str, checks)]) + '\n'
    rst = '\n'.join([where(machine) + '\n', *(t.rst() for t in tables)])
    (RESULTS / 'tables.txt').write_text(text, encoding='utf8')
    (RESULTS / 'tables.rst').write_text(rst, encoding='utf8')
    print(text)
    draw()
    if args.update_docs:
        for block, some in docs.items():
            put_tables(DOCS, block, where(machine), some)

    broken = [check for check in checks if check.broken]
    print(f'bench: {len(checks) - len(broken)} limits kept, '
          f'{len(broken)} broken' + (': ' if broken else '') +
          '; '.join(check.what for check in broken))
    return 2 if not complete else 1 if broken else 0


if __name__ == '__main__':
    sys.exit(main())
