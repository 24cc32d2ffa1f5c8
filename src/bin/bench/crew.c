/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/crew.h"

#include "base/lock.h"
#include "base/mem.h"
#include "bin/bench/schedule.h"
#include "bin/cli/progress.h"
#include "bin/cli/signals.h"
#include "os/os.h"

#include <stdatomic.h>
#include <unistd.h>

#define POLL_NS 100000000ULL

struct crew;

/* One thread. */
struct hand {
    struct crew *crew;
    struct os_thread *thread;
    workload_step_fn step;
    struct worker worker;
    bool has_buffers;
    bool is_behind;
    uint64_t first; /* its steps: first, first + stride, ... below end */
    uint64_t end;
    uint64_t stride;
    _Atomic uint64_t done; /* steps; relaxed, for progress while it runs */
    uint64_t end_ns;
    uint64_t late;
    uint64_t missed;
    int status;
    struct error err;
    struct histogram latency;
    struct histogram *kinds; /* reads and writes of workloads that mix; else NULL */
};

struct crew {
    const struct crew_job *job;
    struct mutex mu;
    struct cond changed;
    bool go;          /* guarded by mu */
    unsigned running; /* guarded by mu: hands that are not behind and still work */
    atomic_bool stop; /* relaxed: it only has to be seen some time */
    uint64_t start_ns;
    uint64_t deadline_ns; /* UINT64_MAX: none */
    struct schedule schedule;
    struct hand *hands;
    unsigned count;
};

static bool is_stopped(struct crew *crew)
{
    return atomic_load_explicit(&crew->stop, memory_order_relaxed);
}

/* Waits until operation n is due. Returns when it is or was due. */
static uint64_t wait_until_due(struct hand *hand, uint64_t n, uint64_t now)
{
    struct crew *crew = hand->crew;
    uint64_t due = schedule_due_ns(&crew->schedule, n);

    while (now < due && now < crew->deadline_ns && !is_stopped(crew)) {
        uint64_t until = due < crew->deadline_ns ? due : crew->deadline_ns;

        os_sleep_ns(crew->job->os, until - now < POLL_NS ? until - now : POLL_NS);
        now = os_monotonic_ns(crew->job->os);
    }
    if (now > due + SCHEDULE_LATE_NS) {
        hand->late++;
    }
    return due;
}

/* Counts what was due for this hand and did not begin before the time was up. */
static void count_missed(struct hand *hand, uint64_t n)
{
    const struct crew *crew = hand->crew;
    uint64_t due;

    if (crew->deadline_ns == UINT64_MAX) {
        return;
    }
    due = schedule_due_count(&crew->schedule, crew->deadline_ns);
    due = due < hand->end ? due : hand->end;
    if (due > n) {
        hand->missed = (due - n + hand->stride - 1) / hand->stride;
    }
}

static void note(struct hand *hand, uint64_t latency_ns)
{
    histogram_record(&hand->latency, latency_ns);
    if (hand->kinds != NULL) {
        histogram_record(&hand->kinds[hand->worker.wrote ? 1 : 0], latency_ns);
    }
}

/* Repeats the step. In a closed loop each operation's end is the start of the next. */
static int repeat(struct hand *hand)
{
    struct crew *crew = hand->crew;
    struct os *os = crew->job->os;
    bool is_open = crew->schedule.rate > 0 && !hand->is_behind;
    uint64_t before = os_monotonic_ns(os);
    uint64_t done = 0;
    uint64_t n;

    for (n = hand->first; n < hand->end && before < crew->deadline_ns; n += hand->stride) {
        uint64_t begin = is_open ? wait_until_due(hand, n, before) : before;
        int rc;

        if (is_open && (begin >= crew->deadline_ns || is_stopped(crew))) {
            return BLOCKDB_OK;
        }
        rc = hand->step(&hand->worker, n, &hand->err);
        if (rc < 0) {
            return rc;
        }
        before = os_monotonic_ns(os);
        note(hand, before - begin);
        atomic_store_explicit(&hand->done, ++done, memory_order_relaxed);
        if (is_stopped(crew)) {
            return BLOCKDB_OK;
        }
    }
    if (is_open) {
        count_missed(hand, n);
    }
    return BLOCKDB_OK;
}

static void hand_main(void *arg)
{
    struct hand *hand = arg;
    struct crew *crew = hand->crew;

    mutex_lock(&crew->mu);
    while (!crew->go) {
        cond_wait(&crew->changed, &crew->mu);
    }
    mutex_unlock(&crew->mu);

    hand->status = repeat(hand);
    hand->end_ns = os_monotonic_ns(crew->job->os);

    mutex_lock(&crew->mu);
    if (!hand->is_behind) {
        crew->running--;
    }
    if (hand->status < 0 || crew->running == 0) {
        atomic_store_explicit(&crew->stop, true, memory_order_relaxed);
    }
    cond_broadcast(&crew->changed);
    mutex_unlock(&crew->mu);
}

static int hand_init(struct crew *crew, unsigned index, struct error *err)
{
    const struct crew_job *job = crew->job;
    struct hand *hand = &crew->hands[index];
    int rc;

    hand->crew = crew;
    hand->worker = job->pattern;
    hand->worker.random = job->pattern.random + 0x51ed270b7a1fULL * (index + 1);
    hand->is_behind = index >= job->threads;
    hand->step = hand->is_behind ? job->pattern.workload->behind : job->pattern.workload->step;
    hand->first = hand->is_behind ? 0 : index;
    hand->end = hand->is_behind ? UINT64_MAX : job->steps;
    hand->stride = hand->is_behind ? 1 : job->threads;
    rc = worker_init(&hand->worker, err);
    if (rc < 0) {
        return rc;
    }
    hand->has_buffers = true;
    if (job->pattern.workload->mixes) {
        hand->kinds = mem_calloc(2, sizeof(*hand->kinds));
        if (hand->kinds == NULL) {
            return error_set_no_memory(err);
        }
    }
    return job->pattern.engine->session_new(job->db, &hand->worker.session, err);
}

/* Lets the threads begin; without all of them, only so that they end. */
static void begin(struct crew *crew, bool complete)
{
    mutex_lock(&crew->mu);
    crew->start_ns = os_monotonic_ns(crew->job->os);
    crew->schedule = (struct schedule){.start_ns = crew->start_ns, .rate = crew->job->rate};
    crew->deadline_ns = UINT64_MAX;
    if (crew->job->duration_ns > 0) {
        crew->deadline_ns = crew->start_ns + crew->job->duration_ns;
    }
    if (!complete) {
        crew->deadline_ns = 0;
    }
    crew->go = true;
    cond_broadcast(&crew->changed);
    mutex_unlock(&crew->mu);
}

static uint64_t steps_done(const struct crew *crew)
{
    uint64_t done = 0;
    unsigned i;

    for (i = 0; i < crew->job->threads; i++) {
        done += atomic_load_explicit(&crew->hands[i].done, memory_order_relaxed);
    }
    return done;
}

/* Waits for all hands that are not behind, showing how far they are. */
static void watch(struct crew *crew)
{
    const struct crew_job *job = crew->job;
    struct progress progress;
    bool show = job->title != NULL && isatty(STDERR_FILENO);

    progress_init(&progress, job->os, job->title, show);
    mutex_lock(&crew->mu);
    while (crew->running > 0) {
        (void)cond_wait_for(&crew->changed, &crew->mu, POLL_NS);
        if (signals_stop_asked()) {
            atomic_store_explicit(&crew->stop, true, memory_order_relaxed);
        }
        if (show) {
            mutex_unlock(&crew->mu);
            progress_update(&progress, "operations", steps_done(crew),
                            job->duration_ns > 0 ? 0 : job->steps);
            mutex_lock(&crew->mu);
        }
    }
    mutex_unlock(&crew->mu);
    progress_finish(&progress);
}

static int start(struct crew *crew, struct error *err)
{
    unsigned i;
    int rc = BLOCKDB_OK;

    for (i = 0; rc == 0 && i < crew->count; i++) {
        rc = hand_init(crew, i, err);
    }
    for (i = 0; rc == 0 && i < crew->count; i++) {
        rc = os_thread_start(crew->job->os, "bench", hand_main, &crew->hands[i],
                             &crew->hands[i].thread, err);
    }
    return rc;
}

/* Adds what one hand did to the outcomes. */
static void add_up(const struct hand *hand, uint64_t start_ns, struct crew_outcome *out)
{
    struct crew_outcome *sum = &out[hand->is_behind ? CREW_BEHIND : CREW_ALL];
    uint64_t elapsed_ns = hand->end_ns - start_ns;

    sum->steps += hand->latency.count;
    sum->entries += hand->worker.entries;
    sum->bytes += hand->worker.bytes;
    sum->late += hand->late;
    sum->missed += hand->missed;
    sum->elapsed_ns = elapsed_ns > sum->elapsed_ns ? elapsed_ns : sum->elapsed_ns;
    histogram_merge(&sum->latency, &hand->latency);
    if (hand->kinds != NULL) {
        histogram_merge(&out[CREW_READS].latency, &hand->kinds[0]);
        histogram_merge(&out[CREW_WRITES].latency, &hand->kinds[1]);
    }
}

/* Joins the hands and adds up what they did; returns the first failure among them. */
static int gather(struct crew *crew, struct crew_outcome *out, struct error *err)
{
    int rc = BLOCKDB_OK;
    unsigned i;

    for (i = 0; i < crew->count; i++) {
        struct hand *hand = &crew->hands[i];

        if (hand->thread == NULL) {
            continue; /* it never started */
        }
        os_thread_join(crew->job->os, hand->thread);
        add_up(hand, crew->start_ns, out);
        if (hand->status < 0 && rc == 0) {
            rc = error_set(err, hand->status, "%s", hand->err.message);
        }
    }
    for (i = CREW_READS; i <= CREW_WRITES; i++) {
        out[i].steps = out[i].latency.count;
        out[i].entries = out[i].steps;
        out[i].elapsed_ns = out[CREW_ALL].elapsed_ns;
    }
    return rc;
}

static void crew_deinit(struct crew *crew)
{
    unsigned i;

    for (i = 0; crew->hands != NULL && i < crew->count; i++) {
        struct hand *hand = &crew->hands[i];

        if (hand->worker.session != NULL) {
            crew->job->pattern.engine->session_free(hand->worker.session);
        }
        if (hand->has_buffers) {
            worker_deinit(&hand->worker);
        }
        mem_free(hand->kinds);
    }
    mem_free(crew->hands);
    cond_deinit(&crew->changed);
    mutex_deinit(&crew->mu);
}

int crew_run(const struct crew_job *job, struct crew_outcome out[CREW_PARTS], struct error *err)
{
    AUTO(crew_deinit) struct crew crew = {.job = job, .running = job->threads};
    int rc;

    memset(out, 0, CREW_PARTS * sizeof(*out));
    mutex_init(&crew.mu, LOCK_RANK_PROGRAM);
    cond_init(&crew.changed);
    crew.count = job->threads + (job->pattern.workload->behind != NULL ? 1 : 0);
    crew.hands = mem_calloc(crew.count, sizeof(*crew.hands));
    if (crew.hands == NULL) {
        return error_set_no_memory(err);
    }
    rc = start(&crew, err);
    begin(&crew, rc == 0);
    if (rc == 0) {
        watch(&crew);
        rc = gather(&crew, out, err);
    } else {
        struct error ignored; /* the first failure is told */

        IGNORE_RESULT(gather(&crew, out, &ignored));
    }
    if (rc == 0 && signals_stop_asked()) {
        rc = error_set(err, BLOCKDB_ECANCELED, "stopped");
    }
    return rc;
}
