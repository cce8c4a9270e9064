/*
 * How much the host stalls for memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_RWP_HOST_PRESSURE_H
#define HW_RWP_HOST_PRESSURE_H

/*
 * rwp_host_pressure: share of the last 10 s in which some task of the host
 * waited for memory, in hundredths of a percent (Linux's pressure stall
 * information, "some avg10" of /proc/pressure/memory).  Any thread.
 *
 * Returns -1 with an error if the host does not tell.
 */
int rwp_host_pressure(Error **errp);

#endif /* HW_RWP_HOST_PRESSURE_H */
