/*
 * The port over which the load is spoken to
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "port.h"

static int port_in, port_out;
static const char *opened;

void say(const char *format, ...)
{
    char line[PORT_LINE_MAX * 4];
    va_list ap;
    size_t len, off = 0;
    int n;

    va_start(ap, format);
    n = vsnprintf(line, sizeof(line) - 1, format, ap);
    va_end(ap);
    len = n < 0 ? 0 : (size_t)n;
    if (len > sizeof(line) - 2) {
        len = sizeof(line) - 2;
    }
    line[len++] = '\n';

    while (off < len) {
        ssize_t w = write(port_out, line + off, len - off);

        if (w < 0 && errno != EINTR && errno != EAGAIN) {
            exit(1);
        }
        off += w > 0 ? (size_t)w : 0;
    }
}

void port_open(const char *name)
{
    struct termios t;

    opened = name;
    if (!strcmp(name, "-")) {
        port_in = STDIN_FILENO;
        port_out = STDOUT_FILENO;
        return;
    }
    port_in = port_out = open(name, O_RDWR | O_NOCTTY);
    if (port_in < 0) {
        fprintf(stderr, "guest-load: %s: %s\n", name, strerror(errno));
        exit(1);
    }
    if (!tcgetattr(port_in, &t)) {
        cfmakeraw(&t);
        t.c_cflag |= CLOCAL;
        cfsetspeed(&t, B115200);
        tcsetattr(port_in, TCSANOW, &t);
    }
}

const char *port_name(void)
{
    return opened;
}

int port_fd(void)
{
    return port_in;
}

void port_read(void (*line)(char *line))
{
    static char buf[PORT_LINE_MAX];
    static size_t len;
    ssize_t n = read(port_in, buf + len, sizeof(buf) - len);
    char *end;

    if (n <= 0) {
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
            return;
        }
        exit(n < 0);
    }
    len += (size_t)n;
    while ((end = memchr(buf, '\n', len))) {
        size_t used = (size_t)(end - buf) + 1;
        char copy[PORT_LINE_MAX];

        memcpy(copy, buf, used);
        copy[used - 1] = '\0';
        len -= used;
        memmove(buf, buf + used, len);
        line(copy);
    }
    if (len == sizeof(buf)) {
        len = 0;                /* longer than any request: noise */
    }
}

void port_drain(void)
{
    tcdrain(port_out);
}
