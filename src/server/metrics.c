/* SPDX-License-Identifier: Apache-2.0 */
#include "server/metrics.h"

#include "base/assert.h"
#include "base/mem.h"
#include "server/request_metrics.h"

struct source {
    metrics_source_fn write;
    void *arg;
};

struct metrics {
    /* constant after the start */
    struct source sources[METRICS_SOURCES_MAX];
    size_t source_count;
};

int metrics_new(struct metrics **out)
{
    struct metrics *m = mem_calloc(1, sizeof(*m));

    if (m == NULL) {
        return BLOCKDB_ENOMEM;
    }
    *out = m;
    return BLOCKDB_OK;
}

void metrics_free(struct metrics *m)
{
    mem_free(m);
}

void metrics_register(struct metrics *m, metrics_source_fn write, void *arg)
{
    ASSERT(m->source_count < METRICS_SOURCES_MAX);
    m->sources[m->source_count++] = (struct source){.write = write, .arg = arg};
}

static void write_requests(void *arg, struct metrics_writer *w)
{
    request_metrics_write(arg, w);
}

void metrics_register_requests(struct metrics *m, struct request_metrics *requests)
{
    metrics_register(m, write_requests, requests);
}

int metrics_write(const struct metrics *m, enum metrics_format format, struct buf *out)
{
    struct metrics_writer w;

    metrics_begin(&w, format, out);
    for (size_t i = 0; i < m->source_count; i++) {
        m->sources[i].write(m->sources[i].arg, &w);
    }
    return metrics_finish(&w);
}
