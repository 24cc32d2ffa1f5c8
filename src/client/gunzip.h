/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies that a server compressed with gzip (RFC 1952), as logs may do with their entry bundles.
 * zlib is loaded when the first one comes.
 *
 * GUNZIP-1  What comes out is counted before there is memory for it: a small body that swells to
 *           more than its maximum costs nothing.
 *
 * Threads:   any thread.
 * Ownership: borrows its input.
 */
#pragma once

#include "base/bytes.h"

/* Appends what bytes, one member of gzip and nothing behind it, decompress to. ELIMIT: that is more
 * than max bytes. EIO: it is no gzip, or damaged. EUNSUPPORTED: zlib is not installed (the message
 * names the package). ENOMEM. *out keeps its length on failure. */
RESULT_MUST_BE_USED int gunzip_append(struct slice bytes, size_t max, struct buf *out,
                                      struct error *err);
