# The programs that the bench consists of
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""Their names, without .py: also the names of their results."""

PROGRAMS = ('epoch-cost', 'sparse-cost', 'metadata-cost', 'guest-slowdown')
