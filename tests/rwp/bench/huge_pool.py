# A pool of huge pages for as long as it is needed
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""Pages in the pool are lost to everything else, so it is not kept."""

from pathlib import Path
from types import TracebackType
from typing import Optional, Type


PAGE_MIB = 2


class HugePool:
    """While entered, so many MiB of 2 MiB pages are free."""

    _POOL = Path('/sys/kernel/mm/hugepages/hugepages-2048kB')

    def __init__(self, mib: int):
        self._wanted = mib // PAGE_MIB
        self._before = 0

    def _read(self, name: str) -> int:
        return int((self._POOL / name).read_text(encoding='utf8'))

    def _resize(self, pages: int) -> None:
        (self._POOL / 'nr_hugepages').write_text(f'{pages}\n',
                                                 encoding='utf8')

    def __enter__(self) -> 'HugePool':
        self._before = self._read('nr_hugepages')
        missing = self._wanted - self._read('free_hugepages')
        if missing > 0:
            self._resize(self._before + missing)
        free = self._read('free_hugepages')
        if free < self._wanted:
            raise RuntimeError(f'only {free} of {self._wanted} huge pages '
                               'could be had')
        return self

    def __exit__(self, exc_type: Optional[Type[BaseException]],
                 exc: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        if self._read('nr_hugepages') != self._before:
            self._resize(self._before)
