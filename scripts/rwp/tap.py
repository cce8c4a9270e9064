# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the TAP of one test program and judge it, strictly: what was announced
must have run, and an ending that is not clean is a failure of its own."""

import re

POINT = re.compile(r'(not )?ok\b(?:\s+\d+)?\s*(?:-\s*)?(.*)')
PLAN = re.compile(r'1\.\.(\d+)(?:\s*#\s*skip\S*\s*(.*))?', re.IGNORECASE)
SKIP = re.compile(r'#\s*skip\S*\s*(.*)', re.IGNORECASE)


class Result:
    """Feed it the lines, then ask `finish`."""

    def __init__(self, must_have_rwp=False, tap=True):
        self.tap = tap          # else one test, of which the exit status tells
        self.must_have_rwp = must_have_rwp
        self.passed = self.failed = self.skipped = 0
        self.plan = None
        self.bailed_out = False
        self.problems = []      # what failed, a line each

    def _skip(self, what, reason):
        # There RWP is what the test was brought for.
        if self.must_have_rwp and 'RWP' in reason:
            self.failed += 1
            self.problems.append(f'{what}: skipped for lack of RWP: {reason}')
        else:
            self.skipped += 1

    def line(self, text):
        """Take one line of output; True when it was a line of TAP."""
        if not self.tap:
            return False
        text = text.rstrip()
        if plan := PLAN.fullmatch(text):
            self.plan = int(plan[1])
            if self.plan == 0:
                self._skip('all of it', plan[2] or '')
            return True
        if text.startswith('Bail out!'):
            self.bailed_out = True
            self._problem(text)
            return True
        point = POINT.fullmatch(text)
        if not point:
            return False
        skip = SKIP.search(point[2])
        if point[1]:
            self.failed += 1
            self.problems.append(point[2])
        elif skip:
            self._skip(point[2].split('#')[0].strip(), skip[1])
        else:
            self.passed += 1
        return True

    def _problem(self, text):
        self.failed += 1
        self.problems.append(text)

    def finish(self, ending):
        """ENDING is the exit status (negative: a signal), or a word that says why
        there is none."""
        ran = self.passed + self.failed + self.skipped
        if self.bailed_out:
            pass                        # its ending and what did not run are told by that
        elif not isinstance(ending, int):
            self._problem('did not end in time' if ending == 'timeout' else f'ended by {ending}')
        elif ending < 0:
            self._problem(f'ended by signal {-ending}')
        elif ending:
            # With a failed point this is how it has to end.
            if not self.failed:
                self._problem(f'exit status {ending}')
        elif not self.tap:
            self.passed += 1
        elif self.plan is None and not ran:
            self._problem('ran no test')
        elif self.plan and self.plan != ran:
            self._problem(f'{self.plan} tests were announced, {ran} ran')
        return self
