/*
 * The commands
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef COMMANDS_H
#define COMMANDS_H

#include "request.h"
#include "sets.h"

/* set_named: the set that this argument names; NULL, and answered, if none is. */
Set *set_named(const Request *r, unsigned arg);

/* share: the option write=, in percent; false, and answered, if it is not. */
bool share(const Request *r, uint64_t *write);

/* Each carries out the command of its name, and answers. */
void do_alloc(const Request *r);
void do_disk(const Request *r);
void do_free(const Request *r);
void do_halt(const Request *r);
void do_map(const Request *r);
void do_run(const Request *r);
void do_shuffle(const Request *r);
void do_spoil(const Request *r);
void do_status(const Request *r);
void do_swap(const Request *r);
void do_touch(const Request *r);
void do_verify(const Request *r);
void do_wait(const Request *r);

#endif /* COMMANDS_H */
