/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/pipeline.h"

int pipeline_step_fill(struct worker *w, uint64_t n, struct error *err)
{
    unsigned used = worker_fill_batch(w, n);

    return w->engine->put_each(w->session, w->pairs, used, w->durability, err);
}

/* Answers come in the order of the keys, which the generator gives once more. */
static int visit(void *arg, int status, struct slice value, struct error *err)
{
    struct worker *w = arg;

    return worker_judge(w, dataset_pick(w->data, &w->replay), status, value, err);
}

int pipeline_step_read(struct worker *w, uint64_t n, struct error *err)
{
    unsigned i;

    (void)n;
    w->replay = w->random;
    for (i = 0; i < w->batch; i++) {
        worker_fill_key(w, i, dataset_pick(w->data, &w->random));
    }
    return w->engine->get_each(w->session, w->pairs, w->batch, visit, w, err);
}
