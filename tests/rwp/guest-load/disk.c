/*
 * Checking reads and writes of a disk
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Each process begins with exec: a mere fork would share the pages of the sets,
 * and writing to them would then copy them.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "commands.h"
#include "disk.h"
#include "pages.h"
#include "port.h"

#define DISK_JOBS       16
#define DISK_BUFFER     ((size_t)4 << 20)
#define DISK_BLOCK      ((size_t)256 << 10)     /* the largest */

typedef struct DiskCounts {
    uint64_t rounds[DISK_JOBS];
} DiskCounts;

static pid_t disk_job[DISK_JOBS];
static unsigned disk_jobs;
static DiskCounts *disk_counts;     /* shared with them */
static int disk_counts_fd = -1;

int disk_main(char **argv)
{
    unsigned job = (unsigned)atoi(argv[2]);
    unsigned jobs = (unsigned)atoi(argv[3]);
    int fd = open(argv[1], O_RDWR | O_DIRECT);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    size_t part = size < 0 ? 0 : (size_t)size / jobs / PAGE * PAGE;
    uint8_t *out = map_aligned(DISK_BUFFER), *in = map_aligned(DISK_BUFFER);
    DiskCounts *counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE,
                              MAP_SHARED, atoi(argv[4]), 0);

    port_open(argv[5]);
    if (part < DISK_BLOCK || !out || !in || counts == MAP_FAILED) {
        say("* corrupt disk job=%u cannot begin: %s", job, strerror(errno));
        return 1;
    }
    for (uint64_t n = 0;; n++) {
        uint64_t random = mix((uint64_t)job << 48 | n);
        size_t length = (1 + random % (DISK_BLOCK / PAGE)) * PAGE;
        size_t to = (random >> 8) % ((DISK_BUFFER - length) / PAGE) * PAGE;
        size_t from = (random >> 24) % ((DISK_BUFFER - length) / PAGE) * PAGE;
        size_t at = job * part + (random >> 40) % ((part - length) / PAGE + 1)
                                 * PAGE;
        uint64_t *word = (uint64_t *)(out + to);

        for (size_t w = 0; w < length / sizeof(*word); w++) {
            word[w] = inner_word(random, w);
        }
        if (pwrite(fd, out + to, length, (off_t)at) != (ssize_t)length ||
            pread(fd, in + from, length, (off_t)at) != (ssize_t)length) {
            say("* corrupt disk job=%u error: %s", job, strerror(errno));
            return 1;
        }
        word = (uint64_t *)(in + from);
        for (size_t w = 0; w < length / sizeof(*word); w++) {
            if (word[w] != inner_word(random, w)) {
                say("* corrupt disk job=%u round=%" PRIu64 " offset=%zu"
                    " word=%zu is 0x%" PRIx64, job, n, at, w, word[w]);
                return 1;
            }
        }
        counts->rounds[job]++;
    }
}

void disk_end(void)
{
    for (unsigned i = 0; i < disk_jobs; i++) {
        kill(disk_job[i], SIGKILL);
        waitpid(disk_job[i], NULL, 0);
    }
    disk_jobs = 0;
}

void do_disk(const Request *r)
{
    uint64_t jobs = 2;

    if (!r->argc || !number(r, "jobs", &jobs)) {
        fail(r, "which disk?");
        return;
    }
    if (!jobs || jobs > DISK_JOBS) {
        fail(r, "jobs= is 1 to %d", DISK_JOBS);
        return;
    }
    disk_end();
    if (!strcmp(r->argv[0], "off")) {
        say("%s ok", r->tag);
        return;
    }
    if (!disk_counts) {
        void *p = MAP_FAILED;

        disk_counts_fd = memfd_create("disk", 0);
        if (disk_counts_fd >= 0 &&
            !ftruncate(disk_counts_fd, sizeof(*disk_counts))) {
            p = mmap(NULL, sizeof(*disk_counts), PROT_READ | PROT_WRITE,
                     MAP_SHARED, disk_counts_fd, 0);
        }
        if (p == MAP_FAILED) {
            fail(r, "no memory for counters: %s", strerror(errno));
            return;
        }
        disk_counts = p;
    }
    for (unsigned i = 0; i < jobs; i++) {
        char job[16], all[16], counts[16];
        char *argv[] = { (char *)"guest-load", r->argv[0], job, all, counts,
                         (char *)port_name(), NULL };
        char *env[] = { NULL };

        snprintf(job, sizeof(job), "%u", i);
        snprintf(all, sizeof(all), "%" PRIu64, jobs);
        snprintf(counts, sizeof(counts), "%d", disk_counts_fd);
        if (posix_spawn(&disk_job[i], "/proc/self/exe", NULL, NULL, argv,
                        env)) {
            fail(r, "cannot start a process");
            return;
        }
        disk_jobs++;
    }
    say("%s ok", r->tag);
}

uint64_t disk_rounds(void)
{
    uint64_t rounds = 0;

    for (unsigned i = 0; i < disk_jobs; i++) {
        uint64_t n = *(volatile uint64_t *)&disk_counts->rounds[i];

        rounds = i && rounds < n ? rounds : n;
    }
    return rounds;
}
