#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Watch QEMU tell a Linux guest's working set, beside what its load really does.

A guest is booted whose RAM is a memory-backend-rwp. In it runs a load whose hot,
warm and never-again sets are known to the page and lie scattered over the guest's
memory, page by page. At the end of each interval one line says what QEMU saw and
what the load did. Takes about two minutes.

Needs a kernel with RWP and KVM: `make demo` finds or makes a place that has them.
RWP_DEMO_STYLE=fancy|plain says whether to draw for a terminal (default: look).
"""

import os
import platform
import shutil
import statistics
import sys
import tempfile
from typing import Any, Dict, List, NamedTuple, Optional

from qemu.machine import QEMUMachine
from qemu.machine.machine import VMLaunchFailure

from rwp_guest import MIB, LoadError, RwpGuest, bytes_of_age, why_not_here


GUEST_MIB = 512
SETS = {'hot': 64, 'warm': 32, 'cold': 128}
INTERVAL_MS = 3000
TOLERANCE = 0.10

BAR = 32                        # columns; all of the guest's memory


class Style(NamedTuple):
    """How to draw."""
    shades: str                 # by class of idle age, see SHADED
    absent: str
    bold: str
    dim: str
    off: str


FANCY = Style('█▓▒░', '·', '\033[1m', '\033[2m', '\033[0m')
PLAIN = Style('#+-.', ' ', '', '', '')

# Youngest age of each shade of the bar, and what the legend calls it.
SHADED = [(0, 'accessed in the last interval'), (1, 'idle for 1'),
          (2, '2 or 3'), (4, '4 or more')]


class Line(NamedTuple):
    """One interval: what was seen, what was done."""
    seen: int
    touched: int
    counts: bool                # the load did nothing else in this interval


class Phase(NamedTuple):
    """What the load does for some intervals."""
    name: str
    lines: List[Line]

    @property
    def steady(self) -> List[Line]:
        """The lines that can be compared."""
        return [line for line in self.lines if line.counts]

    @property
    def seen(self) -> float:
        """What QEMU saw."""
        return statistics.median(line.seen for line in self.steady)

    @property
    def touched(self) -> int:
        """What the load touched."""
        return self.steady[0].touched


def mib(size: float) -> str:
    """@size, in a column."""
    return f'{size / MIB:7.1f} MiB'


def style() -> Style:
    """A terminal that can show it gets block characters."""
    choice = os.environ.get('RWP_DEMO_STYLE')
    fancy = choice == 'fancy' if choice else sys.stdout.isatty()
    if fancy:
        sys.stdout.reconfigure(encoding='utf-8')
    return FANCY if fancy else PLAIN


def where() -> str:
    """The place that this runs in, for the first line."""
    kernel = f'Linux {platform.release()}'
    if os.environ.get('RWP_ROOT') == '/qemu':
        return (f'in the outer VM ({kernel} under emulation: this host has no '
                'RWP or no usable KVM; times are emulated, too)')
    return f'on this host ({kernel})'


class Demo:
    """The guest, and what is shown of it."""

    def __init__(self, guest: RwpGuest):
        self.guest = guest
        self.style = style()
        self.epochs = 0
        self.baseline: Optional[float] = None
        self.phases: List[Phase] = []
        self.time = 0.0

    def say(self, text: str = '') -> None:
        """A line."""
        print(text, flush=True)

    def heading(self, text: str) -> None:
        """A line that begins something."""
        self.say(f'\n{self.style.bold}{text}{self.style.off}')

    def bar(self, info: Dict[str, Any]) -> str:
        """All of the guest's memory by idle age, the youngest first."""
        edges = [low for low, _ in SHADED] + [1 << 32]
        text, total, drawn = '', 0, 0
        for shade, low, high in zip(self.style.shades, edges, edges[1:]):
            total += sum(part['bytes'] for part in info['idle-ages']
                         if low <= part['min-age'] < high)
            # Rounded as a sum, so that the bar's parts always fit into it.
            columns = round(total * BAR / info['size'])
            text += shade * (columns - drawn)
            drawn = columns
        return text + self.style.absent * (BAR - drawn)

    def legend(self) -> None:
        """What the lines mean."""
        each = GUEST_MIB // BAR
        self.say(f'  A line is an interval of {INTERVAL_MS / 1000:g} s. The '
                 f'bar is the guest\'s memory, {each} MiB a character:')
        parts = [f'{shade} {name}'
                 for shade, (_, name) in zip(self.style.shades, SHADED)]
        self.say(f'  {"   ".join(parts)} intervals   '
                 f'({self.style.absent}) never populated')
        self.say()
        self.say('  time  QEMU: accessed '
                 f'{"  and idle ages":{BAR + 3}} the load: touched')

    def interval(self, phase: Phase, doing: str, touched: int,
                 counts: bool = True) -> None:
        """Wait for the end of the interval, and say how it was."""
        # What the load was told to do must have ended within the interval.
        in_time = self.guest.working_set()['epochs'] == self.epochs
        info = self.guest.next_interval(self.epochs)
        whole = in_time and info['epochs'] == self.epochs + 1
        self.epochs = info['epochs']
        self.time += INTERVAL_MS / 1000

        line = Line(info['accessed'], touched, counts and whole)
        phase.lines.append(line)
        difference = ''
        if not line.counts:
            difference = 'not compared'
        elif self.baseline is not None and touched:
            error = (line.seen - self.baseline - touched) / touched
            difference = f'{error * 100:+7.1f} %'
        self.say(f'{self.time:5.0f} s  {mib(line.seen)}   '
                 f'|{self.bar(info)}|  {mib(touched)}  '
                 f'{doing:<22} {difference}'.rstrip())

    def phase(self, name: str) -> Phase:
        """Begin a phase."""
        self.heading(name)
        phase = Phase(name, [])
        self.phases.append(phase)
        return phase

    def run(self) -> None:
        """All phases."""
        load = self.guest.load
        sizes = {name: size * MIB for name, size in SETS.items()}
        total = sum(sizes.values())

        self.legend()
        self.guest.scan()
        self.epochs = self.guest.working_set()['epochs']

        phase = self.phase('The guest is idle')
        self.interval(phase, 'idle', 0, counts=False)
        for _ in range(3):
            self.interval(phase, 'idle', 0)
        self.baseline = phase.seen

        phase = self.phase('The load makes its sets: each page is written '
                           'once')
        load.alloc('scattered', **SETS)
        self.interval(phase, 'all sets, once', total)

        phase = self.phase(f'A hot set of {SETS["hot"]} MiB, scattered page by '
                           'page')
        load.ask('run hot write=50 period=1000')
        for _ in range(4):
            self.interval(phase, 'hot', sizes['hot'])

        phase = self.phase(f'The warm set, {SETS["warm"]} MiB, is touched once')
        load.touch('warm')
        self.interval(phase, 'hot and warm', sizes['hot'] + sizes['warm'])

        phase = self.phase('And the hot set goes on')
        for _ in range(3):
            self.interval(phase, 'hot', sizes['hot'])
        self.ages(sizes)

        phase = self.phase(f'Phase change: {SETS["cold"]} MiB that were cold '
                           'are the hot set now')
        load.ask('swap hot cold')
        self.interval(phase, 'the one, then the other', sizes['cold'],
                      counts=False)
        for _ in range(3):
            self.interval(phase, 'what was cold', sizes['cold'])

        phase = self.phase('The load rests')
        load.ask('halt')
        self.interval(phase, 'idle', 0, counts=False)
        for _ in range(2):
            self.interval(phase, 'idle', 0)
        pages = load.verify()
        self.heading(f'All {pages} pages of the load were verified: '
                     'nothing was changed by being watched.')

    def ages(self, sizes: Dict[str, int]) -> None:
        """What idle ages say of the sets, three intervals after 'warm'."""
        info = self.guest.working_set()
        self.warm_seen = bytes_of_age(info, 3)
        self.cold_seen = sum(part['bytes'] for part in info['idle-ages']
                             if 8 <= part['min-age'] < 16)
        self.say(f'        idle for 2 or 3 intervals: {mib(self.warm_seen)}   '
                 f'(the warm set: {mib(sizes["warm"])})')
        self.say(f'        idle for 8 to 15:          {mib(self.cold_seen)}   '
                 f'(never again: {mib(sizes["cold"])}, and what the kernel '
                 'used meanwhile)')

    def verdict(self) -> bool:
        """How far QEMU was from the truth, phase by phase."""
        self.heading('Verdict')
        self.say(f'  {"":58} {"the load":>11} {"QEMU":>11}')
        worst = 0.0
        for phase in self.phases:
            if not phase.steady:
                continue
            if not phase.touched:
                self.say(f'  {phase.name:58} {mib(0)} {mib(phase.seen)}')
                continue
            error = (phase.seen - self.baseline - phase.touched) \
                / phase.touched
            worst = max(worst, abs(error))
            self.say(f'  {phase.name:58} {mib(phase.touched)} '
                     f'{mib(phase.seen)} {error * 100:+7.1f} %')
        self.say(f'  (The differences are beside {mib(self.baseline).strip()}'
                 ' that the idle guest touches by itself: the baseline.)')
        good = worst <= TOLERANCE
        self.say()
        if good:
            self.say(f'{self.style.bold}QEMU told the working set of a running '
                     f'Linux guest to within {worst * 100:.1f} % of the truth '
                     f'in every phase.{self.style.off}')
        else:
            self.say(f'{self.style.bold}QEMU was {worst * 100:.1f} % away from '
                     f'the truth: more than the {TOLERANCE * 100:.0f} % that '
                     f'are allowed.{self.style.off}')
        return good


def show(qemu: str, directory: str) -> bool:
    """Boot the guest and run the demonstration."""
    machine = QEMUMachine(qemu, name='demo', base_temp_dir=directory,
                          log_dir=directory)
    guest = RwpGuest(machine, directory, mib=GUEST_MIB, thp='off',
                     interval=INTERVAL_MS)
    print(f'This runs {where()}.', flush=True)
    print(f'Booting a Linux guest with {GUEST_MIB} MiB: '
          f'-object {guest.backend_object()}', flush=True)
    try:
        guest.boot()
        demo = Demo(guest)
        demo.run()
        return demo.verdict()
    finally:
        guest.close()


def main() -> int:
    """Entry point."""
    if len(sys.argv) > 1:
        print(__doc__.strip())
        return 0 if sys.argv[1] in ('-h', '--help') else 2
    qemu = os.environ.get('QEMU_TEST_QEMU_BINARY') or \
        shutil.which('qemu-system-x86_64')
    if not qemu:
        print('demo: no QEMU: set QEMU_TEST_QEMU_BINARY, or run "make demo"',
              file=sys.stderr)
        return 1
    reason = why_not_here(qemu)
    if reason:
        print(f'demo: {reason}\nRun "make demo": it finds or makes a place '
              'that has all.', file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix='rwp-demo-') as directory:
        try:
            return 0 if show(qemu, directory) else 1
        except (LoadError, TimeoutError, VMLaunchFailure) as error:
            print(f'\ndemo: {error}', file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print('\ndemo: interrupted', file=sys.stderr)
            return 130


if __name__ == '__main__':
    sys.exit(main())
