/*
 * Checking reads and writes of a disk
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef DISK_H
#define DISK_H

#include <stdint.h>

/* Words of the command line of a process that does it. */
#define DISK_ARGC 6

/*
 * disk_main: what such a process does: write, read back and compare for ever.
 * It tells damage, and ends then.
 */
int disk_main(char **argv);

/* disk_end: end all of them. */
void disk_end(void);

/* disk_rounds: of the process that has done the fewest. */
uint64_t disk_rounds(void);

#endif /* DISK_H */
