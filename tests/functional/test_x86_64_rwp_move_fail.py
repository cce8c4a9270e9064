#!/usr/bin/env python3
#
# A move that comes to nothing loses nothing
#
# SPDX-License-Identifier: GPL-2.0-or-later

from qemu_test import QemuSystemTest

from rwp_move import ANON, SLOW, Move, MoveTest, add_tests


MOVES = {
    'precopy_cancelled': Move(cancelled=True),
    'precopy_cancelled_out': Move(out=True, cancelled=True),
    'multifd_cancelled': Move(capabilities=('multifd',), cancelled=True),
    'xbzrle_cancelled': Move(capabilities=('xbzrle',), cancelled=True),
    'postcopy_cancelled': Move(how='postcopy', cancelled=True),
    'postcopy_cancelled_out': Move(how='postcopy', out=True, cancelled=True),
}


class MoveFail(MoveTest):

    def test_refused_by_destination(self):
        self.check_refused(True)

    def test_refused_by_source(self):
        self.check_refused(False)

    def check_refused(self, heat_here: bool) -> None:
        """One side alone has page-heat."""
        source = self.start_source({}, **ANON)
        destination = self.start_guest('-incoming', 'defer', **ANON)
        for guest, heat in ((source, heat_here),
                            (destination, not heat_here)):
            self.prepare(guest, Move(), heat)
        # So that the source is not through before it is told.
        source.parameters(max_bandwidth=SLOW)
        uri = self.uri('precopy')
        destination.listen(uri)
        source.migrate(uri)
        destination.vm.wait()
        self.assertRegex(destination.vm.get_log(),
                         'Capability page-heat is .*, but received '
                         'capability is ')
        source.wait_migration('failed')
        source.wait_state('active')
        self.assertEqual(source.vm.cmd('query-status')['status'], 'running')
        self.check_content(source)
        # That was no reason for not trying it again.
        self.move(source, Move(), heat_here, **ANON)


add_tests(MoveFail, MOVES)


if __name__ == '__main__':
    QemuSystemTest.main()
