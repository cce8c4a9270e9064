# What functional tests with a memory-backend-rwp have in common
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""Whether such a test can run here, its guests, and their end."""

from typing import Any, List, Optional

from qemu_test import QemuSystemTest

from rwp_guest import RwpGuest, why_not_here


class RwpTest(QemuSystemTest):
    """A test that makes guests, all of which end with it."""

    GUEST_CLASS = RwpGuest

    def setUp(self) -> None:
        super().setUp()
        self.guests: List[RwpGuest] = []
        reason = self.why_not()
        if reason:
            self.skipTest(reason)

    def tearDown(self) -> None:
        try:
            for guest in self.guests:
                guest.close()
        finally:
            for guest in self.guests:
                self.log.info('%s: %s', guest.console, guest.vm.get_log())
        super().tearDown()

    def why_not(self) -> Optional[str]:
        """Why this cannot be tested here; None if it can."""
        return why_not_here(self.qemu_bin)

    def make_guest(self, name: str, mib: int, **backend: Any) -> Any:
        """A guest that is not launched yet."""
        guest = self.GUEST_CLASS(
            self.get_vm(name=name), self.log_file(name), mib,
            **{key.replace('_', '-'): value
               for key, value in backend.items()})
        self.guests.append(guest)
        return guest
