/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/mix.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define EXACT_TERMS 100000

/* The sum of 1/k^theta for k of 1 to count: term by term, then the integral with the first
 * correction of Euler and Maclaurin, which is exact to ten digits from there on. */
static double zeta(uint64_t count)
{
    uint64_t exact = count < EXACT_TERMS ? count : EXACT_TERMS;
    double sum = 0;
    uint64_t k;

    for (k = 1; k <= exact; k++) {
        sum += pow((double)k, -ZIPF_THETA);
    }
    if (count > exact) {
        double from = (double)exact;
        double to = (double)count;

        sum += (pow(to, 1 - ZIPF_THETA) - pow(from, 1 - ZIPF_THETA)) / (1 - ZIPF_THETA);
        sum += (pow(to, -ZIPF_THETA) - pow(from, -ZIPF_THETA)) / 2;
    }
    return sum;
}

void zipf_init(struct zipf *zipf, uint64_t count)
{
    double first_two = 1 + pow(0.5, ZIPF_THETA);
    double all = zeta(count);

    *zipf = (struct zipf){
        .count = count, .alpha = 1 / (1 - ZIPF_THETA), .zeta = all, .first_two = first_two};
    if (count > 2) {
        zipf->eta = (1 - pow(2 / (double)count, 1 - ZIPF_THETA)) / (1 - first_two / all);
    }
}

/* The first two ranks exactly, the others by inverting the integral. */
uint64_t zipf_rank(const struct zipf *zipf, double u)
{
    double scaled = u * zipf->zeta;
    uint64_t rank;

    if (scaled < 1 || zipf->count == 1) {
        return 0;
    }
    if (scaled < zipf->first_two || zipf->count == 2) {
        return 1;
    }
    rank = (uint64_t)((double)zipf->count * pow(zipf->eta * u - zipf->eta + 1, zipf->alpha));
    return rank < zipf->count ? rank : zipf->count - 1;
}

int mix_init(struct mix *mix)
{
    *mix = (struct mix){0};
    mix->acknowledged = mem_calloc(MIX_WINDOW, 1);
    if (mix->acknowledged == NULL) {
        return BLOCKDB_ENOMEM;
    }
    mutex_init(&mix->mu, LOCK_RANK_PROGRAM);
    return BLOCKDB_OK;
}

void mix_deinit(struct mix *mix)
{
    if (mix->acknowledged != NULL) {
        mutex_deinit(&mix->mu);
        mem_free(TAKE(mix->acknowledged));
    }
}

void mix_reset(struct mix *mix, uint64_t count)
{
    if (mix->zipf.count != count) {
        zipf_init(&mix->zipf, count);
    }
    memset(mix->acknowledged, 0, MIX_WINDOW);
    atomic_store_explicit(&mix->next, count, memory_order_relaxed);
    atomic_store_explicit(&mix->limit, count, memory_order_release);
}

uint64_t mix_limit(struct mix *mix)
{
    return atomic_load_explicit(&mix->limit, memory_order_acquire);
}

/* Half of the window is left for threads that have looked and not taken yet. */
bool mix_add_begin(struct mix *mix, uint64_t *out_key)
{
    if (atomic_load_explicit(&mix->next, memory_order_relaxed) - mix_limit(mix) >= MIX_WINDOW / 2) {
        return false;
    }
    *out_key = atomic_fetch_add_explicit(&mix->next, 1, memory_order_relaxed);
    return true;
}

void mix_add_end(struct mix *mix, uint64_t key)
{
    uint64_t limit;

    mutex_lock(&mix->mu);
    limit = atomic_load_explicit(&mix->limit, memory_order_relaxed);
    mix->acknowledged[key % MIX_WINDOW] = 1;
    while (mix->acknowledged[limit % MIX_WINDOW] != 0) {
        mix->acknowledged[limit % MIX_WINDOW] = 0;
        limit++;
    }
    atomic_store_explicit(&mix->limit, limit, memory_order_release);
    mutex_unlock(&mix->mu);
}
