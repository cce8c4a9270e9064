# Driving the bare loop, the reference for the cost of an epoch
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""Talk to bare-loop; bare-loop.c tells its commands."""

import json
import subprocess
from types import TracebackType
from typing import Any, Dict, Optional, Type


class BareLoop:
    """A running bare-loop with its memory populated and armed."""

    def __init__(self, kind: str, mib: int, populate: str = 'all'):
        """
        :param kind: anon, thp, memfd or hugetlb
        :param mib: size of its memory
        :param populate: the pattern that is populated beforehand
        """
        # pylint: disable=consider-using-with
        self._process = subprocess.Popen(
            ['bare-loop', kind, str(mib), populate], encoding='utf8',
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        answer = self._answer()
        self.pid = self._process.pid
        self.granule: int = answer['granule']
        self.base: int = answer['base']

    def _answer(self) -> Dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError('bare-loop has ended, with status '
                               f'{self._process.wait()}')
        answer: Dict[str, Any] = json.loads(line)
        return answer

    def _ask(self, command: str) -> Dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(command + '\n')
        self._process.stdin.flush()
        return self._answer()

    def touch(self, pattern: str) -> int:
        """Access memory; returns the bytes that count as accessed then."""
        touched: int = self._ask(f'touch {pattern}')['touched']
        return touched * self.granule

    def settle(self) -> None:
        """Let the emulator's TLBs shrink (tlb-settle.h says why)."""
        self._ask('settle')

    def epoch(self, strategy: str) -> Dict[str, Any]:
        """Scan and re-arm."""
        return self._ask(f'epoch {strategy}')

    def pageout(self, which: str, chunk: int, ranges: int) -> Dict[str, Any]:
        """Page memory out, in calls of so many bytes and ranges."""
        return self._ask(f'pageout {which} {chunk} {ranges}')

    def close(self) -> None:
        """End it."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> 'BareLoop':
        return self

    def __exit__(self, exc_type: Optional[Type[BaseException]],
                 exc: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()
