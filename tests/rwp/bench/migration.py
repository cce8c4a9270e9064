#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What migration gains from knowing what is hot.

A Linux guest under KVM goes from one QEMU to the next, by turns in stock order
and with the capability page-heat, over a link of limited bandwidth.  Before
each time its load has been tracked for some intervals, and after it all memory
is compared.  In a pair it is the same binary, the same guest, the same load.

How often stock order sends what is hot depends on where that lies, so each
pair has a guest of its own, with its memory in an order of its own.  They are
the same each time that this is run.

Should a guest be lost, as happens where an emulator without this project's
patches runs the machine, one is booted anew and the pair is measured again.

usage: migration.py RESULT.json [--part NAME]... [--pairs N]
"""

import argparse
from asyncio import TimeoutError as AsyncTimeoutError
import json
import os
import sys
import tempfile
import time
from typing import Any, Dict, List, Tuple

from qemu.machine import QEMUMachine
from qemu.machine.machine import AbnormalShutdown, QEMUMachineError
from qemu.qmp import QMPError
from qemu.qmp.qmp_client import ExecuteError

from guest_process import MemorySampler
from migration_parts import (GUEST_MIB, INTERVAL_MS, LEARN_INTERVALS, PARTS,
                             Part)
from migration_report import figures_of
from rwp_guest import (MIB, PAGE, PATIENCE, RAM_ID, DamageError,
                       LoadError)
from rwp_migrate import MigratingGuest, MigrationError


# How often a guest may be lost.
LOSSES = 5

# What becomes of a guest that is lost.
LOST = (LoadError, MigrationError, QMPError, QEMUMachineError, TimeoutError,
        AsyncTimeoutError, OSError)

# Otherwise KVM has most faults resolved by another thread while the vCPU is
# halted, and postcopy-blocktime does not see that the vCPU waits.
OWN_FAULTS = ('-overcommit', 'cpu-pm=on', '-cpu', 'max,kvm-asyncpf=off')

# By turns, so that nothing is always first.
ORDERS = (('stock', 'heat'), ('heat', 'stock'))


class Traveller:
    """A guest, in whatever QEMU it is at the moment."""

    def __init__(self, part: Part, layout: int, directory: str):
        """
        :param layout: which one of the load's memory
        """
        self._part = part
        self._layout = layout
        self._directory = directory
        self._number = 0
        self._guests: List[MigratingGuest] = []
        self._guest = self._new_guest()

    def start(self) -> None:
        """Boot, and begin with the load."""
        self._guest.boot(*self._options())
        self._guest.load.alloc('scattered', thp=self._part.guest_thp,
                               piece=self._part.piece, seed=self._layout,
                               **self._part.load_mib)
        for name in self._part.shuffled:
            self._guest.load.ask(f'shuffle {name}')
        for run in self._part.runs:
            self._guest.load.ask(f'run {run}')

    def _options(self) -> Tuple[str, ...]:
        return OWN_FAULTS if self._part.postcopy else ()

    def _new_guest(self) -> MigratingGuest:
        self._number += 1
        guest = MigratingGuest(
            QEMUMachine(os.environ['QEMU_TEST_QEMU_BINARY'],
                        name=f'bench{self._number}'),
            f'{self._directory}-{self._number}', mib=GUEST_MIB, thp='on',
            interval=INTERVAL_MS)
        self._guests.append(guest)
        return guest

    def close(self) -> str:
        """The end of the journey; what QEMU has said, if it was a bad one."""
        said = []
        for guest in self._guests:
            try:
                guest.close()
            except AbnormalShutdown:
                pass
            said += [guest.vm.get_log() or '', f'exit: {guest.vm.exitcode()}']
        self._guests.clear()
        return '\n'.join(said)

    def _learn(self) -> Dict[str, Any]:
        """Track the load; what is known then."""
        guest = self._guest
        guest.wait_state('active')
        guest.vm.cmd('qom-set', {'path': f'/objects/{RAM_ID}',
                                 'property': 'split-thp',
                                 'value': self._part.split_thp})
        # The first one has in it what was before.
        epochs = guest.working_set()['epochs']
        info = guest.next_interval(epochs + LEARN_INTERVALS)
        if self._part.out_percent:
            size = info['resident'] * self._part.out_percent // 100
            info['evict-cold-memory'] = guest.vm.cmd(
                'evict-cold-memory',
                {'id': RAM_ID, 'bytes': size, 'min-age': 0})
        return info

    def _prepare(self, guest: MigratingGuest, heat: bool) -> None:
        capabilities = ['page-heat'] if heat else []
        if self._part.postcopy:
            capabilities += ['postcopy-ram', 'postcopy-blocktime']
        guest.capabilities(*capabilities)

    def _limit(self, guest: MigratingGuest) -> None:
        link = self._part.link_mib * MIB
        # The last one so that what QEMU takes the link for does not depend on
        # what it happened to be like lately.
        guest.parameters(max_bandwidth=link, max_postcopy_bandwidth=link,
                         avail_switchover_bandwidth=link,
                         downtime_limit=self._part.downtime_ms)

    def go(self, heat: bool) -> Dict[str, Any]:
        """To another QEMU; what that was like."""
        known = self._learn()
        source, destination = self._guest, self._new_guest()
        destination.launch('-incoming', 'defer', *self._options())
        for guest in (source, destination):
            self._prepare(guest, heat)
        self._limit(source)
        with tempfile.TemporaryDirectory() as directory, \
                MemorySampler(source.vm.get_pid()) as sampler:
            uri = f'unix:{directory}/link'
            destination.listen(uri)
            quiet = self._quiet(source)
            load = [source.load.status()]
            source.migrate(uri)
            if self._part.postcopy:
                self._postcopy(source, destination)
            source.wait_migration('completed')
            load.append(destination.load.status())
            destination.wait_migration('completed')
        result = {'known': known, 'memory': sampler.samples,
                  'quiet': quiet, 'load': load,
                  'hot_pages': self._part.load_mib.get('hot', 0) * MIB // PAGE,
                  'source': source.migration(),
                  'destination': destination.migration()}
        source.close()
        self._guests.remove(source)
        self._guest = destination
        pages = sum(self._part.load_mib.values()) * MIB // PAGE
        if destination.load.verify() != pages:
            raise DamageError('the load has lost its memory')
        return result

    def _quiet(self, guest: MigratingGuest) -> List[Dict[str, int]]:
        """The load at the beginning and the end of a time in which nothing
        happens."""
        first = guest.load.status()
        if self._part.runs:
            time.sleep(2)
        return [first, guest.load.status()]

    @staticmethod
    def _postcopy(source: MigratingGuest,
                  destination: MigratingGuest) -> None:
        """Switch over at once."""
        source.wait_migration('active')
        source.vm.cmd('migrate-start-postcopy')
        destination.vm.event_wait('RESUME', PATIENCE)


def measure(name: str, pairs: int, directory: str) -> Dict[str, Any]:
    """So many pairs of a part, and one before them that is not counted.

    The outer VM has only just booted: who comes first finds nothing translated.
    """
    part = PARTS[name]
    runs: Dict[str, List[Dict[str, Any]]] = {'stock': [], 'heat': []}
    losses: List[str] = []
    number = 0
    while number <= pairs and len(losses) <= LOSSES:
        traveller = Traveller(part, number,
                              f'{directory}-{number}-{len(losses)}')
        try:
            traveller.start()
            pair = {}
            for order in ORDERS[part.heat_first or number % 2]:
                pair[order] = traveller.go(order == 'heat')
                print(f'migration: {name}: pair {number} of {pairs}: {order}: '
                      f'{figures_of(name, pair[order])}', file=sys.stderr)
            if number:
                for order, run in pair.items():
                    runs[order].append(run)
            number += 1
        except (ExecuteError, DamageError):
            # A mistake of ours, or what must never happen.
            raise
        except LOST as error:
            losses.append(f'{type(error).__name__}: {error}\n'
                          f'{traveller.close()}')
            print(f'migration: {name}: a guest was lost: {losses[-1]}',
                  file=sys.stderr)
        finally:
            traveller.close()
    return {'part': name, 'guest_mib': GUEST_MIB, 'settings': part._asdict(),
            'losses': losses, **runs}


def main() -> None:
    """Measure all parts, or some."""
    parser = argparse.ArgumentParser(usage=__doc__.rpartition('usage: ')[2])
    parser.add_argument('result')
    parser.add_argument('--part', action='append', choices=tuple(PARTS))
    parser.add_argument('--pairs', type=int)
    args = parser.parse_args()

    work = os.environ['RWP_WORK']
    result: List[Dict[str, Any]] = []
    short: List[str] = []
    for name in args.part or PARTS:
        pairs = args.pairs or PARTS[name].pairs
        result.append(measure(name, pairs, f'{work}/guest-{name}'))
        if len(result[-1]['heat']) < pairs:
            short.append(name)
        # What is known is known, should the next one fail.
        with open(args.result, 'w', encoding='utf8') as file:
            json.dump(result, file, indent=1)
    if short:
        sys.exit(f'migration: too many guests were lost: {", ".join(short)}')


if __name__ == '__main__':
    main()
