/*
 * Touching sets again and again: the command 'run'
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef RUN_H
#define RUN_H

#include "sets.h"

/* run_idle_ms: how long nothing is due, in ms for poll(); -1: for ever. */
int run_idle_ms(void);

/* run_slice: touch some pages of the set, if any are due. */
void run_slice(Set *s);

#endif /* RUN_H */
