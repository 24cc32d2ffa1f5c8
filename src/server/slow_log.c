/* SPDX-License-Identifier: Apache-2.0 */
#include "server/slow_log.h"

#include "base/assert.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/text.h"
#include "os/os.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

struct slow_log {
    /* constant */
    struct os *os;
    struct logger *logger;
    /* atomic, relaxed: a change is seen soon; UINT64_MAX: nothing is slow */
    _Atomic uint64_t threshold_ns;

    struct mutex mu;
    /* guarded by mu */
    struct slow_entry entries[SLOW_LOG_ENTRIES];
    uint64_t count;  /* of all that were added; the next entry's number */
    uint64_t forgot; /* entries before this number were cleared */
    uint64_t second; /* of the lines below, monotonic */
    unsigned lines;  /* written in that second */
    uint64_t held_back;
};

static uint64_t threshold_of(uint64_t threshold_ms)
{
    return threshold_ms == 0 || threshold_ms > UINT64_MAX / NS_PER_MS ? UINT64_MAX
                                                                      : threshold_ms * NS_PER_MS;
}

int slow_log_new(struct os *os, struct logger *logger, uint64_t threshold_ms, struct slow_log **out)
{
    struct slow_log *s = mem_calloc(1, sizeof(*s));

    if (s == NULL) {
        return BLOCKDB_ENOMEM;
    }
    s->os = os;
    s->logger = logger;
    atomic_init(&s->threshold_ns, threshold_of(threshold_ms));
    mutex_init(&s->mu, LOCK_RANK_SERVER);
    *out = s;
    return BLOCKDB_OK;
}

void slow_log_free(struct slow_log *s)
{
    if (s != NULL) {
        mutex_deinit(&s->mu);
        mem_free(s);
    }
}

void slow_log_set_threshold(struct slow_log *s, uint64_t threshold_ms)
{
    atomic_store_explicit(&s->threshold_ns, threshold_of(threshold_ms), memory_order_relaxed);
}

bool slow_log_wants(const struct slow_log *s, uint64_t total_ns)
{
    return total_ns >= atomic_load_explicit(&s->threshold_ns, memory_order_relaxed);
}

const char *slow_stage_name(enum slow_stage stage)
{
    static const char *const names[SLOW_STAGE_COUNT] = {"receive", "queue", "engine", "answer"};

    ASSERT(stage < SLOW_STAGE_COUNT);
    return names[stage];
}

/* Whether a line may be written now; *out_held_back is how many were not since the last one. */
static bool take_line(struct slow_log *s, uint64_t *out_held_back) REQUIRES(s->mu)
{
    uint64_t second = os_monotonic_ns(s->os) / NS_PER_S;

    if (second != s->second) {
        s->second = second;
        s->lines = 0;
    }
    if (s->lines >= SLOW_LOG_LINES_PER_S) {
        s->held_back++;
        return false;
    }
    s->lines++;
    *out_held_back = s->held_back;
    s->held_back = 0;
    return true;
}

static void write_line(struct slow_log *s, const struct slow_entry *e, uint64_t held_back)
{
    char stages[SLOW_STAGE_COUNT * 48];
    char total[TEXT_DURATION_BYTES];
    char more[64] = "";
    size_t used = 0;

    for (unsigned i = 0; i < SLOW_STAGE_COUNT; i++) {
        char duration[TEXT_DURATION_BYTES];

        text_format_latency(duration, e->stage_ns[i]);
        used += (size_t)snprintf(stages + used, sizeof(stages) - used, "%s%s %s",
                                 i == 0 ? "" : ", ", slow_stage_name(i), duration);
    }
    text_format_latency(total, e->total_ns);
    if (held_back > 0) {
        (void)snprintf(more, sizeof(more), "; %" PRIu64 " more were slow and not told", held_back);
    }
    logger_write(s->logger, LOGGER_WARNING, "slow",
                 "%s %s by %s from %s took %s (%s), %" PRIu64 " bytes, outcome %d%s%s%s",
                 e->protocol, e->what, e->who, e->from, total, stages, e->bytes, e->outcome,
                 e->id[0] != '\0' ? ", request " : "", e->id, more);
}

static void copy_text(char *out, size_t size, const char *text)
{
    (void)snprintf(out, size, "%s", text);
}

void slow_log_add(struct slow_log *s, const struct slow_request *request)
{
    struct slow_entry e = {.time_ms = os_now_ms(s->os),
                           .protocol = request->protocol,
                           .outcome = request->outcome,
                           .bytes = request->bytes};
    uint64_t held_back = 0;
    bool tell;

    copy_text(e.what, sizeof(e.what), request->what);
    copy_text(e.who, sizeof(e.who), request->who);
    copy_text(e.from, sizeof(e.from), request->from);
    copy_text(e.id, sizeof(e.id), request->id);
    for (unsigned i = 0; i < SLOW_STAGE_COUNT; i++) {
        e.stage_ns[i] = request->stage_ns[i];
        e.total_ns += request->stage_ns[i];
    }

    mutex_lock(&s->mu);
    e.number = s->count++;
    s->entries[e.number % SLOW_LOG_ENTRIES] = e;
    tell = take_line(s, &held_back);
    mutex_unlock(&s->mu);
    if (tell) {
        write_line(s, &e, held_back);
    }
}

size_t slow_log_read(struct slow_log *s, struct slow_entry *out, size_t max)
{
    size_t copied = 0;
    uint64_t oldest;

    mutex_lock(&s->mu);
    oldest = s->count > SLOW_LOG_ENTRIES ? s->count - SLOW_LOG_ENTRIES : 0;
    oldest = oldest > s->forgot ? oldest : s->forgot;
    while (copied < max && s->count - copied > oldest) {
        out[copied] = s->entries[(s->count - copied - 1) % SLOW_LOG_ENTRIES];
        copied++;
    }
    mutex_unlock(&s->mu);
    return copied;
}

void slow_log_clear(struct slow_log *s)
{
    mutex_lock(&s->mu);
    s->forgot = s->count;
    mutex_unlock(&s->mu);
}

uint64_t slow_log_count(struct slow_log *s)
{
    uint64_t count;

    mutex_lock(&s->mu);
    count = s->count;
    mutex_unlock(&s->mu);
    return count;
}
