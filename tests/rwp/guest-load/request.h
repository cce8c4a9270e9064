/*
 * A request, and what is read of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef REQUEST_H
#define REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#define REQUEST_ARGS_MAX 16

typedef struct Request {
    const char *tag;
    unsigned argc;
    char *argv[REQUEST_ARGS_MAX];   /* after the command */
} Request;

/* fail: answer that it cannot be done, and why. */
__attribute__((format(printf, 2, 3)))
void fail(const Request *r, const char *format, ...);

/*
 * number, choice: read the option @key, a number with K, M or G, or one of two
 * words.  @value keeps its default without it.  If it is something else,
 * answers that and returns false.
 */
bool number(const Request *r, const char *key, uint64_t *value);
bool choice(const Request *r, const char *key, const char *yes, const char *no,
            bool *value);

#endif /* REQUEST_H */
