/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_pool.h"

#include "audit/audit.h"
#include "base/lock.h"
#include "base/mem.h"
#include "os/os.h"

#define PROGRESS_NS (200 * 1000000ULL)
#define WINDOW_MAX (2 * AUDIT_THREADS_MAX + 2)

struct pool {
    const struct audit_pool_options *options;
    uint64_t first; /* number of the first stretch: stretch i ends at (i + 1) * STRETCH_ENTRIES */
    uint64_t end;
    unsigned window;

    _Atomic uint64_t progress; /* entries checked */
    atomic_bool stop;

    /* Guarded by mu. */
    struct mutex mu;
    struct cond made;  /* a stretch was checked, or a thread ended */
    struct cond taken; /* there is room for another */
    uint64_t next;     /* stretch to check */
    uint64_t joined;   /* stretches before this were handed over */
    struct stretch *slots[WINDOW_MAX];
    unsigned running;
    int status; /* of a thread that could not work at all */
    struct error error;
};

/* ---- Threads ------------------------------------------------------------------------------- */

/* Waits for a stretch to check; false when there is none left. */
static bool next_stretch(struct pool *p, uint64_t *out_number)
{
    bool found = false;

    mutex_lock(&p->mu);
    while (!atomic_load_explicit(&p->stop, memory_order_relaxed) && p->next < p->end &&
           p->next >= p->joined + p->window) {
        cond_wait(&p->taken, &p->mu);
    }
    if (!atomic_load_explicit(&p->stop, memory_order_relaxed) && p->next < p->end) {
        *out_number = p->next++;
        found = true;
    }
    mutex_unlock(&p->mu);
    return found;
}

static void hand_over(struct pool *p, uint64_t number, struct stretch *s)
{
    mutex_lock(&p->mu);
    p->slots[number % p->window] = s;
    cond_signal(&p->made);
    mutex_unlock(&p->mu);
}

static void note_failure(struct pool *p, int rc, const struct error *err)
{
    mutex_lock(&p->mu);
    if (p->status == BLOCKDB_OK) {
        p->status = rc;
        p->error = *err;
    }
    mutex_unlock(&p->mu);
}

static int check_one(struct pool *p, struct stretch_checker *checker, uint64_t number,
                     struct error *err)
{
    const struct audit_pool_options *o = p->options;
    struct stretch *s = mem_calloc(1, sizeof(*s));
    bool is_first = number == p->first;

    if (s == NULL) {
        return error_set_no_memory(err);
    }
    s->begin = is_first ? o->start->size : number * STRETCH_ENTRIES;
    s->end = o->head->size / STRETCH_ENTRIES > number ? (number + 1) * STRETCH_ENTRIES
                                                      : o->head->size;
    s->wants_changes = o->wants_changes;
    (void)stretch_check(checker, s, is_first ? o->start : NULL, &p->progress, &p->stop);
    hand_over(p, number, s);
    return BLOCKDB_OK;
}

static void worker_main(void *arg)
{
    struct pool *p = arg;
    struct stretch_checker *checker = NULL;
    struct error err;
    uint64_t number;
    int rc = stretch_checker_new(p->options->source, p->options->head, &checker, &err);

    while (rc == BLOCKDB_OK && next_stretch(p, &number)) {
        rc = check_one(p, checker, number, &err);
    }
    stretch_checker_free(checker);
    if (rc < 0) {
        note_failure(p, rc, &err);
    }
    mutex_lock(&p->mu);
    p->running--;
    cond_signal(&p->made);
    mutex_unlock(&p->mu);
}

static unsigned thread_count(const struct pool *p)
{
    unsigned count = p->options->threads > 0 ? p->options->threads : os_processor_count();

    if (count > AUDIT_THREADS_MAX) {
        count = AUDIT_THREADS_MAX;
    }
    return p->end - p->first < count ? (unsigned)(p->end - p->first) : count;
}

/* Starts threads; as few as one is enough. */
static unsigned start_threads(struct pool *p, unsigned wanted, struct os_thread **threads)
{
    unsigned started = 0;
    struct error err;

    while (started < wanted) {
        int rc;

        mutex_lock(&p->mu);
        p->running++;
        mutex_unlock(&p->mu);
        rc = os_thread_start(p->options->os, "blockdb-audit", worker_main, p, &threads[started],
                             &err);
        if (rc < 0) {
            mutex_lock(&p->mu);
            p->running--;
            mutex_unlock(&p->mu);
            if (started == 0) {
                note_failure(p, rc, &err);
            }
            break;
        }
        started++;
    }
    return started;
}

static void stop_threads(struct pool *p)
{
    atomic_store(&p->options->source->is_stopped, true);
    mutex_lock(&p->mu);
    atomic_store_explicit(&p->stop, true, memory_order_relaxed);
    cond_broadcast(&p->taken);
    mutex_unlock(&p->mu);
}

/* ---- Joining ------------------------------------------------------------------------------- */

static int report_progress(struct pool *p, struct error *err)
{
    const struct audit_pool_options *o = p->options;
    uint64_t done = atomic_load_explicit(&p->progress, memory_order_relaxed);

    if (o->progress != NULL &&
        !o->progress(o->progress_arg, "entries", done, o->head->size - o->start->size)) {
        return error_set(err, BLOCKDB_ECANCELED,
                         "interrupted; the next audit goes on from where this one came to");
    }
    return BLOCKDB_OK;
}

/* Waits for the next stretch in order. */
static int wait_for(struct pool *p, struct stretch **out, struct error *err)
{
    struct stretch **slot = &p->slots[p->joined % p->window];
    int rc = BLOCKDB_OK;

    mutex_lock(&p->mu);
    while (rc == BLOCKDB_OK && *slot == NULL) {
        if (p->running == 0) {
            rc = error_set(err, p->status, "%s", p->error.message);
        } else if (!cond_wait_for(&p->made, &p->mu, PROGRESS_NS)) {
            mutex_unlock(&p->mu);
            rc = report_progress(p, err);
            mutex_lock(&p->mu);
        }
    }
    *out = *slot;
    *slot = NULL;
    mutex_unlock(&p->mu);
    return rc;
}

static void free_stretch(struct stretch *s)
{
    if (s != NULL) {
        stretch_deinit(s);
        mem_free(s);
    }
}

static int join_all(struct pool *p, struct error *err)
{
    int rc = BLOCKDB_OK;

    while (rc == BLOCKDB_OK && p->joined < p->end) {
        struct stretch *s = NULL;

        rc = wait_for(p, &s, err);
        if (rc == BLOCKDB_OK) {
            rc = p->options->take(p->options->take_context, s, err);
        }
        free_stretch(s);
        mutex_lock(&p->mu);
        p->joined++;
        cond_broadcast(&p->taken);
        mutex_unlock(&p->mu);
        if (rc == BLOCKDB_OK) {
            rc = report_progress(p, err);
        }
    }
    return rc;
}

int audit_pool_run(const struct audit_pool_options *options, struct error *err)
{
    struct os_thread *threads[AUDIT_THREADS_MAX];
    struct pool *p = mem_calloc(1, sizeof(*p));
    unsigned wanted;
    unsigned started;
    int rc;

    if (p == NULL) {
        return error_set_no_memory(err);
    }
    p->options = options;
    p->first = options->start->size / STRETCH_ENTRIES;
    p->end = (options->head->size - 1) / STRETCH_ENTRIES + 1;
    p->next = p->first;
    p->joined = p->first;
    wanted = thread_count(p);
    p->window = 2 * wanted + 2;
    mutex_init(&p->mu, LOCK_RANK_PROGRAM);
    cond_init(&p->made);
    cond_init(&p->taken);
    started = start_threads(p, wanted, threads);
    rc = join_all(p, err);
    stop_threads(p);
    while (started > 0) {
        os_thread_join(options->os, threads[--started]);
    }
    atomic_store(&options->source->is_stopped, false);
    for (unsigned i = 0; i < p->window; i++) {
        free_stretch(p->slots[i]);
    }
    cond_deinit(&p->taken);
    cond_deinit(&p->made);
    mutex_deinit(&p->mu);
    mem_free(p);
    return rc;
}
