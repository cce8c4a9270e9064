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
import time
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from qemu.machine import QEMUMachine
from qemu.machine.machine import VMLaunchFailure

from rwp_guest import MIB, PAGE, RAM_ID, LoadError, RwpGuest, bytes_of_age, why_not_here


GUEST_MIB = 512
SETS = {'hot': 32, 'warm': 24, 'cold': 64}
TOLERANCE = 0.10

BAR = 32                        # columns; all of the guest's memory


class Style(NamedTuple):
    """How to draw."""
    shades: str                 # by class of idle age, see SHADED
    absent: str
    bold: str
    off: str


FANCY = Style('█▓▒░', '·', '\033[1m', '\033[0m')
PLAIN = Style('#+-.', ' ', '', '')

# Youngest age of each shade of the bar, and what the legend calls it.
SHADED = [(0, 'accessed in the last interval'), (1, 'idle for 1'),
          (2, '2 or 3'), (4, '4 or more')]


class Line(NamedTuple):
    """One interval: bytes that QEMU saw, bytes that the load touched."""
    seen: int
    touched: int

    def error(self, baseline: float) -> float:
        """How far the one is from the other, beside the baseline."""
        return (self.seen - baseline) / self.touched - 1


class Phase(NamedTuple):
    """Intervals in which the load did the same."""
    name: str
    lines: List[Line]

    @property
    def seen(self) -> float:
        """What QEMU saw."""
        return statistics.median(line.seen for line in self.lines)

    @property
    def touched(self) -> float:
        """What the load touched."""
        return statistics.median(line.touched for line in self.lines)

    def error(self, baseline: float) -> float:
        """How far the one is from the other, beside the baseline."""
        return statistics.median(line.error(baseline) for line in self.lines)


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
        return (f'in the outer VM ({kernel}), as this host has no\nRWP or no usable KVM. '
                'That VM is emulated: all is many times slower than here')
    return f'on this host ({kernel})'


class Demo:
    """The guest, and what is shown of it."""

    def __init__(self, guest: RwpGuest):
        self.guest = guest
        self.interval_ms = 0
        self.style = style()
        self.start = self.epochs = 0        # numbers of intervals
        self.touches = 0                    # pages of the hot set, in all
        self.baseline = 0.0
        self.phases: List[Phase] = []

    def say(self, text: str = '') -> None:
        """A line."""
        print(text, flush=True)

    def heading(self, text: str) -> None:
        """A line that begins something."""
        self.say('\n' + self.strong(text))

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
        parts = [f'{shade} {name}'
                 for shade, (_, name) in zip(self.style.shades, SHADED)]
        self.say(f'\nA line is an interval of {self.interval_ms / 1000:g} s, the bar all of the '
                 f"guest's memory by idle age,\n{GUEST_MIB // BAR} MiB a character "
                 f'({self.style.absent} is memory that was never populated):')
        self.say(f'  {"   ".join(parts)}\n')
        self.say(f'  time    QEMU saw  {"":{BAR}}     load touched')

    def choose_interval(self) -> None:
        """
        One that the load can touch its largest set in, and more than once, however
        fast this machine is: an interval with half a round in it says little.
        """
        self.guest.load.alloc('scattered', hot=4)
        self.guest.scan()
        start = time.monotonic()
        self.guest.load.touch('hot')
        seconds = (time.monotonic() - start) * max(SETS.values()) / 4
        self.guest.load.ask('free')
        self.interval_ms = round(min(max(3 * seconds, 2), 6)) * 1000
        self.guest.set_backend('interval', self.interval_ms)

    def hot_touched(self) -> Tuple[int, bool]:
        """
        Bytes of the hot set that were touched since this was last asked, and
        whether that can be compared: if all were touched twice, once was within
        the interval, even if the asking takes its time.
        """
        status = self.guest.load.status()
        before, self.touches = self.touches, status['hot-reads'] + status['hot-writes']
        # One page after the other, so none comes twice before all have come.
        touched = (self.touches - before) * PAGE
        return min(touched, status['hot']), \
            touched >= 2 * status['hot'] or not status['hot-running']

    def next_interval(self) -> Tuple[Dict[str, Any], bool]:
        """
        Wait for the end of the interval. Returns what is known then, and whether
        all that the load was told before has happened within this one interval.
        """
        in_time = self.guest.working_set()['epochs'] == self.epochs
        info = self.guest.next_interval(self.epochs)
        in_time &= info['epochs'] == self.epochs + 1
        self.epochs = info['epochs']
        return info, in_time

    def line(self, info: Dict[str, Any], touched: Optional[int], remark: str) -> None:
        """Show one interval."""
        seconds = (self.epochs - self.start) * self.interval_ms / 1000
        self.say(f'{seconds:4.0f} s {mib(info["accessed"])}  |{self.bar(info)}|  '
                 f'{"" if touched is None else mib(touched):>11} {remark:>9}'.rstrip())

    def interval(self, phase: Phase, besides: int = 0, compared: bool = True) -> None:
        """One interval, in which the load touched @besides beside the hot set."""
        info, in_time = self.next_interval()
        touched, all_of_it = self.hot_touched()
        touched += besides
        remark = ''
        if not compared:
            touched, remark = None, '(changes)'
        elif not in_time or not all_of_it:
            # Something else keeps the machine busy: not what is shown here.
            remark = '(slow)'
        else:
            phase.lines.append(Line(info['accessed'], touched))
            if touched:
                remark = f'{phase.lines[-1].error(self.baseline) * 100:+.1f} %'
        self.line(info, touched, remark)

    def phase(self, name: str) -> Phase:
        """Begin a phase."""
        self.heading(name)
        self.phases.append(Phase(name, []))
        return self.phases[-1]

    def make_sets(self) -> None:
        """Every page is written once, which takes some intervals."""
        self.heading('The load makes its sets, scattered page by page, and writes each once:\n'
                     f'{SETS["hot"]} MiB hot, {SETS["warm"]} MiB warm, {SETS["cold"]} MiB cold')
        sizes = ' '.join(f'{name}={size}M' for name, size in SETS.items())
        tag = self.guest.load.send(f'alloc layout=scattered {sizes}')
        done = False
        while not done:
            # Until an interval has ended after the answer came.
            done = self.guest.load.has_answer()
            info, _ = self.next_interval()
            self.line(info, None, '')
        self.guest.load.answer(tag)

    def run(self) -> None:
        """All phases."""
        load = self.guest.load
        warm, cold = SETS['warm'] * MIB, SETS['cold'] * MIB

        self.choose_interval()
        self.legend()
        self.start = self.epochs = self.guest.scan()['epochs']

        phase = self.phase('The guest is idle')
        self.interval(phase, compared=False)
        self.interval(phase)
        self.interval(phase)
        if not phase.lines:
            raise TimeoutError('this machine is too busy to compare anything; try again later')
        self.baseline = phase.seen

        self.make_sets()

        phase = self.phase('The hot set, again and again')
        load.ask(f'run hot write=50 period={self.interval_ms // 3}')
        for _ in range(4):
            self.interval(phase)

        phase = self.phase('And once the warm set beside it')
        load.touch('warm')
        self.interval(phase, warm)

        phase = self.phase('The hot set alone again')
        for _ in range(3):
            self.interval(phase)
        self.ages(warm, cold)

        phase = self.phase('Phase change: the cold set is hot now')
        load.ask('swap hot cold')
        self.interval(phase, compared=False)
        for _ in range(3):
            self.interval(phase)

        phase = self.phase('The load rests')
        load.ask('halt')
        self.interval(phase, compared=False)
        self.interval(phase)
        self.heading(f'All {load.verify()} pages of the load verified: being watched has changed '
                     'no byte.')

    def ages(self, warm: int, cold: int) -> None:
        """What idle ages say, three intervals after 'warm', eight after 'cold'."""
        info = self.guest.working_set()
        for name, age, size in (('2 or 3', 3, warm), ('8 to 15', 8, cold)):
            what = 'the warm set' if size == warm else 'never again'
            self.say(f'       {mib(bytes_of_age(info, age))} are idle for {name} intervals '
                     f'({what}: {mib(size).strip()})')

    def verdict(self) -> bool:
        """How far QEMU was from the truth, phase by phase."""
        self.heading('Verdict')
        self.say(f'{"":42}{"load touched":>13} {"QEMU saw":>11}')
        worst = 0.0
        for phase in self.phases:
            text = 'the machine was too slow to compare'
            if phase.lines:
                text = f'{mib(phase.touched)} {mib(phase.seen)}'
                if phase.touched:
                    error = phase.error(self.baseline)
                    worst = max(worst, abs(error))
                    text += f' {error * 100:+8.1f} %'
            self.say(f'  {phase.name:41} {text}')
        self.say(f'  (Medians. {mib(self.baseline).strip()} of what QEMU saw is what the idle '
                 'guest touches by itself.)\n')

        compared = [phase for phase in self.phases if phase.lines]
        if not any(phase.touched for phase in compared):
            self.say(self.strong('This machine was too slow to compare anything.'))
            return False
        if worst > TOLERANCE:
            self.say(self.strong(f'QEMU was {worst * 100:.1f} % away from the truth, more than '
                                 f'the allowed {TOLERANCE * 100:.0f} %.'))
            return False
        which = 'every phase' if len(compared) == len(self.phases) else \
            f'{len(compared)} of {len(self.phases)} phases (the others could not be compared)'
        self.say(self.strong(f'In {which} QEMU told the working set of a running\n'
                             f'Linux guest to within {worst * 100:.1f} % of the truth.'))
        return True

    def strong(self, text: str) -> str:
        """@text, to be seen."""
        return self.style.bold + text + self.style.off


def show(qemu: str, directory: str) -> bool:
    """Boot the guest and run the demonstration."""
    machine = QEMUMachine(qemu, name='demo', base_temp_dir=directory,
                          log_dir=directory)
    guest = RwpGuest(machine, directory, mib=GUEST_MIB, thp='off')
    print(f'This runs {where()}.\nA Linux guest boots: qemu-system-x86_64 -accel kvm ... \\\n'
          f'    -object {guest.backend_object()} \\\n'
          f'    -machine pc,memory-backend={RAM_ID}', flush=True)
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
