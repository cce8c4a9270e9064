/*
 * A thread for the epochs, apart from the one that accesses memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <err.h>
#include <pthread.h>
#include "epoch-thread.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* The work to be done, if any; then its result. */
static const BareMemory *memory;
static const BareStrategy *strategy;
static BareEpoch result;

static void *epoch_thread(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (!memory) {
            pthread_cond_wait(&changed, &lock);
        }
        result = bare_epoch_run(memory, strategy);
        memory = NULL;
        pthread_cond_signal(&changed);
    }
    return NULL;
}

void epoch_thread_start(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, epoch_thread, NULL)) {
        errx(1, "cannot start a thread");
    }
}

BareEpoch epoch_thread_run(const BareMemory *m, const BareStrategy *s)
{
    BareEpoch e;

    pthread_mutex_lock(&lock);
    memory = m;
    strategy = s;
    pthread_cond_signal(&changed);
    while (memory) {
        pthread_cond_wait(&changed, &lock);
    }
    e = result;
    pthread_mutex_unlock(&lock);
    return e;
}
