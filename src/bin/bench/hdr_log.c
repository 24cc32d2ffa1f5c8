/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/hdr_log.h"

#include "base/error.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define LINE_BYTES 256
#define TICKS 5 /* lines while the distance to 1 halves */
#define NS_PER_MS 1e6

__attribute__((format(printf, 2, 3))) static int line(struct buf *out, const char *format, ...)
{
    char text[LINE_BYTES];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len > LINE_BYTES - 1) {
        len = LINE_BYTES - 1;
    }
    return buf_append(out, text, (size_t)len);
}

/* The standard deviation, up to the precision of buckets. */
static double deviation(const struct histogram *h)
{
    double mean = histogram_mean(h);
    double sum = 0;
    uint64_t below = 0;

    while (below < h->count) {
        /* The next value is that of the first record not counted yet. */
        double percent = ((double)below + 0.5) * 100 / (double)h->count;
        uint64_t value = histogram_percentile(h, percent);
        uint64_t upto = histogram_count_below(h, value);

        if (upto <= below) {
            upto = below + 1;
        }
        sum += ((double)value - mean) * ((double)value - mean) * (double)(upto - below);
        below = upto;
    }
    return h->count > 0 ? sqrt(sum / (double)h->count) : 0;
}

/* The lines of percentiles from 0 on, each with how many records lie at or below its value. */
static int append_lines(struct buf *out, const struct histogram *h)
{
    double percent = 0;
    uint64_t upto = 0;
    int rc = BLOCKDB_OK;

    while (rc == BLOCKDB_OK && h->count > 0 && upto < h->count) {
        uint64_t value = histogram_percentile(h, percent);
        double rest = 100 - percent;

        if (percent == 0) {
            value = h->min_ns;
        }
        upto = value >= h->max_ns ? h->count : histogram_count_below(h, value);
        if (upto < h->count) {
            rc = line(out, "%12.6f %2.12f %10" PRIu64 " %14.2f\n", (double)value / NS_PER_MS,
                      percent / 100, upto, 100 / rest);
        }
        percent += 100 / (TICKS * pow(2, floor(log2(100 / rest)) + 1));
    }
    if (rc == BLOCKDB_OK && h->count > 0) {
        rc = line(out, "%12.6f %2.12f %10" PRIu64 " %14s\n", (double)h->max_ns / NS_PER_MS, 1.0,
                  h->count, "inf");
    }
    return rc;
}

int hdr_log_append(struct buf *out, const char *title, const struct histogram *h)
{
    int rc = line(out, "#[%s]\n%12s %14s %10s %14s\n\n", title, "Value", "Percentile", "TotalCount",
                  "1/(1-Percentile)");

    if (rc == BLOCKDB_OK) {
        rc = append_lines(out, h);
    }
    if (rc == BLOCKDB_OK) {
        rc = line(out, "#[Mean    = %12.6f, StdDeviation   = %12.6f]\n",
                  histogram_mean(h) / NS_PER_MS, deviation(h) / NS_PER_MS);
    }
    if (rc == BLOCKDB_OK) {
        rc = line(out, "#[Max     = %12.6f, Total count    = %12" PRIu64 "]\n",
                  (double)h->max_ns / NS_PER_MS, h->count);
    }
    if (rc == BLOCKDB_OK) {
        rc = line(out, "#[Buckets = %12d, SubBuckets     = %12d]\n\n",
                  HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS + 1, 1 << HISTOGRAM_SUB_BITS);
    }
    return rc;
}
