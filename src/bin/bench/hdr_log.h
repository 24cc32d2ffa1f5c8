/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histogram log: latencies as the table of percentiles that HdrHistogram's tools print and plot.
 *
 *        Value     Percentile TotalCount 1/(1-Percentile)
 *
 * Values are milliseconds. Percentiles come closer to each other towards 1, so that each factor of
 * two in 1/(1-Percentile) has the same number of lines. A comment line says what was measured.
 *
 * Threads: any thread.
 */
#pragma once

#include "base/bytes.h"
#include "base/histogram.h"

/* Appends the table of h below a comment line with title. ENOMEM; out may have grown then. */
RESULT_MUST_BE_USED int hdr_log_append(struct buf *out, const char *title,
                                       const struct histogram *h);
