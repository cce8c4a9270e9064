# Tables for people to read
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""A table as text for the terminal and as reStructuredText for the docs."""

from typing import List, NamedTuple, Sequence


class Table(NamedTuple):
    """Cells are text; the first column is left-aligned, the others right."""

    title: str
    header: Sequence[str]
    rows: List[Sequence[str]]
    notes: Sequence[str] = ()

    def _widths(self) -> List[int]:
        return [max(len(cell) for cell in column)
                for column in zip(self.header, *self.rows)]

    def _line(self, cells: Sequence[str]) -> str:
        widths = self._widths()
        padded = [cells[0].ljust(widths[0])]
        padded += [cell.rjust(width)
                   for cell, width in zip(cells[1:], widths[1:])]
        return '  '.join(padded).rstrip()

    def text(self) -> str:
        """For the terminal."""
        lines = [self.title, '-' * len(self.title), self._line(self.header)]
        lines += [self._line(row) for row in self.rows]
        return '\n'.join(lines + list(self.notes)) + '\n'

    def rst(self) -> str:
        """For the documentation."""
        border = '  '.join('=' * width for width in self._widths())
        lines = [self.title, '~' * len(self.title), '', border,
                 self._line(self.header), border]
        # An empty first cell would continue the row above.
        lines += [self._line([row[0] or '\\', *row[1:]]) for row in self.rows]
        lines += [border, '', *self.notes]
        return '\n'.join(lines) + '\n'
