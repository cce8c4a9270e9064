/*
 * The port over which the load is spoken to
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef PORT_H
#define PORT_H

/* Longest request, and a fourth of the longest answer, in bytes. */
#define PORT_LINE_MAX 1024

/*
 * port_open: speak over the serial port @name from now on; "-" is standard
 * input and output.  Ends the program if that is not possible.
 */
void port_open(const char *name);

/* port_name: what was opened. */
const char *port_name(void);

/* port_fd: what to poll for requests. */
int port_fd(void);

/*
 * port_read: read what there is, and call @line with each line that is
 * complete, without its end; it may change it.  Ends the program where there is
 * nothing to come.
 */
void port_read(void (*line)(char *line));

/* say: write a line, all of it, or end the program. */
__attribute__((format(printf, 1, 2)))
void say(const char *format, ...);

/* port_drain: wait until all is said. */
void port_drain(void);

#endif /* PORT_H */
