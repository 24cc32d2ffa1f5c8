/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listening TCP socket from an address as people write it.
 *
 * Threads: any thread.
 */
#pragma once

#include "base/error.h"

#define LISTENER_ADDRESS_BYTES 64

/* Opens a socket that listens on "host:port", "[IPv6]:port" or ":port" (all addresses); port 0 lets
 * the system choose. Writes the address it got to out_address. The caller closes *out_fd with
 * listener_close(). EINVAL: not of that form, or no such host; EDENIED, EBUSY (in use), EIO. */
RESULT_MUST_BE_USED int listener_open(const char *text, int *out_fd,
                                      char out_address[LISTENER_ADDRESS_BYTES], struct error *err);
/* -1 does nothing. */
void listener_close(int fd);
