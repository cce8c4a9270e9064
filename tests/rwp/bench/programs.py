# The programs that the bench consists of
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""Programs, and the parts that some of them can be run in.

A part is 'PROGRAM' or 'PROGRAM:WHAT', and has results of its own, so that one
which failed, or is to be repeated, does not cost the others.
"""

from typing import Dict, List, NamedTuple, Tuple

import migration_parts


class Program(NamedTuple):
    """What PROGRAM.py calls its parts, if it has any."""

    option: str = ''
    values: Tuple[str, ...] = ()


PROGRAMS: Dict[str, Program] = {
    'epoch-cost': Program('--kind', ('anon', 'memfd', 'thp', 'hugetlb')),
    'sparse-cost': Program(),
    'metadata-cost': Program(),
    'guest-slowdown': Program('--memory', ('huge', 'small')),
    'evict-cost': Program('--kind', ('anon', 'thp', 'memfd')),
    'evict-idle': Program(),
    'evict-phase': Program('--memory', ('small', 'huge')),
    'evict-resident': Program('--by', ('none', 'rwp', 'rwp-huge', 'damon-8s',
                                       'damon-48s', 'memory.reclaim')),
    'migration': Program('--part', tuple(migration_parts.PARTS)),
}


def parts_of(name: str) -> List[str]:
    """All parts of a program; those of a part are itself."""
    if ':' in name:
        return [name]
    return [f'{name}:{value}' for value in PROGRAMS[name].values] or [name]


PARTS = [part for name in PROGRAMS for part in parts_of(name)]

# What a user may name.
CHOICES = list(dict.fromkeys([*PROGRAMS, *PARTS]))


def result_file(part: str) -> str:
    """Where the results of a part are."""
    return part.replace(':', '-') + '.json'


def command(part: str) -> List[str]:
    """PROGRAM.py and its options."""
    name, _, value = part.partition(':')
    return [f'{name}.py'] + ([PROGRAMS[name].option, value] if value else [])
