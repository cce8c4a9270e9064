/*
 * How much the host stalls for memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/rwp/host-pressure.h"

#define PRESSURE_FILE "/proc/pressure/memory"

int rwp_host_pressure(Error **errp)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) gerr = NULL;
    unsigned percent, hundredths;

    if (!g_file_get_contents(PRESSURE_FILE, &text, NULL, &gerr)) {
        error_setg(errp, "the host does not tell its memory pressure (%s);"
                   " boot it with psi=1", gerr->message);
        return -1;
    }
    if (sscanf(text, "some avg10=%u.%2u", &percent, &hundredths) != 2) {
        error_setg(errp, "cannot understand " PRESSURE_FILE ": '%s'", text);
        return -1;
    }
    return percent * 100 + hundredths;
}
