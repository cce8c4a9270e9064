/*
 * A request, and what is read of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "port.h"
#include "request.h"

void fail(const Request *r, const char *format, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    say("%s error %s", r->tag, text);
}

static const char *option(const Request *r, const char *key)
{
    size_t len = strlen(key);

    for (unsigned i = 0; i < r->argc; i++) {
        if (!strncmp(r->argv[i], key, len) && r->argv[i][len] == '=') {
            return r->argv[i] + len + 1;
        }
    }
    return NULL;
}

static bool parse_size(const char *text, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 0);
    if (errno || end == text || *text == '-') {
        return false;
    }
    switch (*end) {
    case 'G':
        *value <<= 10;
        /* fall through */
    case 'M':
        *value <<= 10;
        /* fall through */
    case 'K':
        *value <<= 10;
        end++;
    }
    return *end == '\0';
}

bool number(const Request *r, const char *key, uint64_t *value)
{
    const char *text = option(r, key);

    if (text && !parse_size(text, value)) {
        fail(r, "%s=%s is not a number", key, text);
        return false;
    }
    return true;
}

bool choice(const Request *r, const char *key, const char *yes, const char *no,
            bool *value)
{
    const char *text = option(r, key);

    if (text && strcmp(text, yes) && strcmp(text, no)) {
        fail(r, "%s=%s is neither %s nor %s", key, text, yes, no);
        return false;
    }
    *value = text ? !strcmp(text, yes) : *value;
    return true;
}
