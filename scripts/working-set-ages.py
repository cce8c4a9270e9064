#!/usr/bin/env python3
#
# Read what the QMP command export-working-set wrote: the idle age of each
# page of a memory-backend-rwp object
#
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The format is documented in docs/system/working-set.rst.

"""Show the idle ages of guest memory that export-working-set wrote."""

import argparse
import json
import os
import struct
import sys
from typing import BinaryIO, Dict, Iterator, List, NamedTuple, Optional


HEADER = struct.Struct('<8sIIQQQQ16s')
RECORD = struct.Struct('<QQIHH')
MAGIC = b'QEMUAGES'
VERSION = 1

UNIT = 4096                     # lengths are counted in these
NOT_MAPPED = (1 << 64) - 1      # guest-physical address of such pages
AGE_LIMIT = 200                 # stands for all ages from there on
FLAG_HUGE = 1 << 0

# Youngest age of each class, as in the answer to query-working-set.
CLASSES = [0, 1, 2, 4, 8, 16, 32, 64, 128, AGE_LIMIT]

# From just accessed to never again; what is not present is blank.
HEAT = '@%#*+=-:. '


class FormatError(Exception):
    """The file is not what export-working-set writes."""


class Header(NamedTuple):
    """What the file says of the backend as a whole."""
    page_size: int
    epochs: int
    interval_ms: int
    size: int


class Run(NamedTuple):
    """Neighbouring pages of the same idle age."""
    gpa: Optional[int]          # None: not mapped in the guest
    offset: int
    size: int                   # bytes
    age: int                    # intervals
    huge: bool


def read_header(file: BinaryIO) -> Header:
    """The header; leaves @file at the first record."""
    data = file.read(HEADER.size)
    if data[:len(MAGIC)] != MAGIC:
        raise FormatError('not written by export-working-set: it does not '
                          f'begin with {MAGIC.decode()}')
    if len(data) < HEADER.size:
        raise FormatError('truncated: it ends within the header')
    _, version, length, page_size, epochs, interval, size, _ = \
        HEADER.unpack(data)
    if version != VERSION:
        raise FormatError(f'format version {version} is not known, '
                          f'only {VERSION} is')
    if length < HEADER.size or not page_size or not interval:
        raise FormatError('the header is damaged')
    if len(file.read(length - HEADER.size)) != length - HEADER.size:
        raise FormatError('truncated: it ends within the header')
    return Header(page_size, epochs, interval, size)


def read_runs(file: BinaryIO, header: Header) -> Iterator[Run]:
    """All records, in the order of the file."""
    while True:
        block = file.read(RECORD.size * 4096)
        whole = len(block) // RECORD.size * RECORD.size
        for gpa, offset, units, age, flags in RECORD.iter_unpack(
                block[:whole]):
            if not units:
                return
            size = units * UNIT
            if offset + size > header.size or age > AGE_LIMIT:
                raise FormatError(f'damaged: the record for offset '
                                  f'{offset:#x} cannot be right')
            yield Run(None if gpa == NOT_MAPPED else gpa, offset, size, age,
                      bool(flags & FLAG_HUGE))
        if len(block) < RECORD.size * 4096:
            raise FormatError('truncated: the record that ends the file is '
                              'missing')


class Summary:
    """Sums over all runs."""

    def __init__(self, header: Header):
        self.header = header
        self.by_age = [0] * (AGE_LIMIT + 1)
        self.huge = 0
        self.not_mapped = 0

    def add(self, run: Run) -> None:
        """Count one more run."""
        self.by_age[run.age] += run.size
        self.huge += run.size if run.huge else 0
        self.not_mapped += run.size if run.gpa is None else 0

    @property
    def present(self) -> int:
        """Bytes with a known age."""
        return sum(self.by_age)

    def idle_ages(self) -> List[Dict[str, int]]:
        """The histogram, as query-working-set gives it."""
        classes = []
        for i, low in enumerate(CLASSES):
            if low == AGE_LIMIT:
                classes.append({'min-age': low,
                                'bytes': self.by_age[AGE_LIMIT]})
            else:
                high = CLASSES[i + 1] - 1
                classes.append({'min-age': low, 'max-age': high,
                                'bytes': sum(self.by_age[low:high + 1])})
        return classes

    def working_set(self, seconds: int) -> Dict[str, object]:
        """
        The working set for one window.  The file does not say how long each
        interval really was, so all are taken to have had the usual length.
        """
        intervals = max(1, seconds * 1000 // self.header.interval_ms)
        return {'seconds': seconds,
                'bytes': sum(self.by_age[:min(intervals, AGE_LIMIT)]),
                'complete': intervals <= min(self.header.epochs, AGE_LIMIT)}


def human(size: int) -> str:
    """@size in the largest unit that keeps it above 1."""
    value = float(size)
    for unit in ('B', 'KiB', 'MiB', 'GiB'):
        if value < 1024:
            break
        value /= 1024
    else:
        unit = 'TiB'
    return f'{value:.0f} {unit}' if unit == 'B' else f'{value:.1f} {unit}'


def duration(ms: int) -> str:
    """@ms, for a reader."""
    if ms < 1000:
        return f'{ms} ms'
    if ms < 120 * 1000:
        return f'{ms / 1000:g} s'
    return f'{ms / 60000:.3g} min'


def print_summary(summary: Summary, windows: List[int]) -> None:
    """The summary as a text."""
    header = summary.header
    present = summary.present
    print(f'backend      {human(header.size)}, in pages of '
          f'{human(header.page_size)}')
    print(f'watched      {header.epochs} intervals of '
          f'{duration(header.interval_ms)}')
    print(f'present      {human(present)}, {human(summary.huge)} of it in '
          'huge pages')
    if summary.not_mapped:
        print(f'not mapped   {human(summary.not_mapped)}: present, but not in '
              "the guest's memory now")
    print()
    print('working set')
    for window in windows:
        answer = summary.working_set(window)
        note = '' if answer['complete'] else '  (was not watched for so long)'
        print(f'{duration(window * 1000):>12} {human(answer["bytes"]):>12}'
              f'{note}')
    print()
    print('idle for (intervals)')
    for entry in summary.idle_ages():
        low, high = entry['min-age'], entry.get('max-age')
        name = f'{low}+' if high is None else \
            str(low) if low == high else f'{low}-{high}'
        share = entry['bytes'] / present if present else 0
        bar = '#' * round(share * 40)
        print(f'{name:>12} {human(entry["bytes"]):>12}  {bar}'.rstrip())


def print_run(run: Run) -> None:
    """One line of the listing."""
    where = '           -' if run.gpa is None else f'{run.gpa:#012x}'
    age = f'{run.age}+' if run.age == AGE_LIMIT else str(run.age)
    print(f'{where} {run.offset:#012x} {human(run.size):>11} {age:>5}'
          f'{"  huge" if run.huge else ""}')


class HeatMap:
    """Guest-physical memory as a strip of characters, the youngest wins."""

    def __init__(self, columns: int, cell: int):
        self.columns = columns
        self.cell = cell
        self.youngest: Dict[int, int] = {}

    def add(self, run: Run) -> None:
        """Draw one more run."""
        if run.gpa is None:
            return
        last = (run.gpa + run.size - 1) // self.cell
        for cell in range(run.gpa // self.cell, last + 1):
            self.youngest[cell] = min(run.age,
                                      self.youngest.get(cell, AGE_LIMIT))

    @staticmethod
    def glyph(age: int) -> str:
        """How an age is drawn: the classes of the histogram, coarser."""
        return HEAT[min(age.bit_length(), len(HEAT) - 2)]

    def print(self) -> None:
        """The strip; rows with nothing in them are left out."""
        print(f'a character is {human(self.cell)}: {HEAT[0]} accessed in the '
              f'last interval, {HEAT[-2]} not for very long')
        rows = sorted({cell // self.columns for cell in self.youngest})
        for before, row in zip([-1] + rows, rows):
            if row != before + 1:
                print('...')
            cells = range(row * self.columns, (row + 1) * self.columns)
            text = ''.join(self.glyph(self.youngest[c])
                           if c in self.youngest else HEAT[-1] for c in cells)
            print(f'{row * self.columns * self.cell:#012x} |{text}|')


def parse_windows(text: str) -> List[int]:
    """Argument of --windows."""
    windows = [int(word) if word.isdigit() else 0 for word in text.split(',')]
    if not all(windows):
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a list of seconds, such as 60,120")
    return windows


def parse_cell(text: str) -> int:
    """Argument of --cell."""
    units = {'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}
    digits = text[:-1] if text[-1:] in units else text
    cell = int(digits) * units.get(text[-1:], 1) if digits.isdigit() else 0
    if not cell:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a size, such as 64K or 2M")
    return cell


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Ages count intervals: a page of age 0 was accessed in the '
               'last one.')
    parser.add_argument('file', help="what export-working-set wrote; '-' for "
                                     'standard input')
    parser.add_argument('--windows', type=parse_windows, metavar='S,S...',
                        default=[60, 120, 600, 3600],
                        help='windows to give the working set for, in '
                             'seconds (default: 60,120,600,3600)')
    parser.add_argument('--ranges', action='store_true',
                        help='list all ranges of pages of the same age')
    parser.add_argument('--map', action='store_true',
                        help='draw guest-physical memory as a heat map')
    parser.add_argument('--cell', type=parse_cell, default=parse_cell('2M'),
                        metavar='SIZE',
                        help='what a character of the heat map stands for '
                             '(K, M, G; default: 2M)')
    parser.add_argument('--columns', type=int, default=64,
                        help='characters in a line of the heat map '
                             '(default: 64)')
    parser.add_argument('--json', action='store_true',
                        help='write JSON, with the names of '
                             'query-working-set')
    args = parser.parse_args()
    if args.columns < 1:
        parser.error('--columns must be at least 1')
    return args


def show(file: BinaryIO, args: argparse.Namespace) -> None:
    """Read @file once, show what was asked for."""
    header = read_header(file)
    summary = Summary(header)
    heat = HeatMap(args.columns, args.cell)
    runs = []

    if args.ranges and not args.json:
        print('       guest       backend        size   age')
    for run in read_runs(file, header):
        summary.add(run)
        if args.map:
            heat.add(run)
        if args.ranges and args.json:
            runs.append(run._asdict())
        elif args.ranges:
            print_run(run)

    if args.json:
        answer = {'size': header.size, 'page-size': header.page_size,
                  'epochs': header.epochs, 'interval': header.interval_ms,
                  'present': summary.present, 'huge': summary.huge,
                  'not-mapped': summary.not_mapped,
                  'working-set': [summary.working_set(window)
                                  for window in args.windows],
                  'idle-ages': summary.idle_ages()}
        if args.ranges:
            answer['ranges'] = runs
        # In one line: indenting takes ten times as long, and a guest can have
        # millions of ranges.
        print(json.dumps(answer))
        return
    if args.ranges:
        print()
    print_summary(summary, args.windows)
    if args.map:
        print()
        heat.print()


def main() -> int:
    """Entry point."""
    args = parse_arguments()
    try:
        if args.file == '-':
            show(sys.stdin.buffer, args)
        else:
            with open(args.file, 'rb') as file:
                show(file, args)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) has seen enough; the interpreter must not
        # trip over the rest when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, FormatError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        print(f'{os.path.basename(sys.argv[0])}: {args.file}: {reason}',
              file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
