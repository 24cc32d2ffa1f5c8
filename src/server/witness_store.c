/* SPDX-License-Identifier: Apache-2.0 */
#include "server/witness_store.h"

#include "base/assert.h"
#include "base/lock.h"
#include "base/mem.h"
#include "ledger/merkle.h"
#include "server/witness_head.h"

#include <inttypes.h>

#define LOCK_NAME "LOCK"
#define TEMPORARY_SUFFIX ".tmp"

/* The newest head of one log. */
struct entry {
    struct hash log;
    struct witness_head head;
    struct buf note; /* empty until the first head is durable */
    bool is_busy;    /* a thread writes this log's file */
};

struct witness_store {
    /* constant after open */
    struct os *os;
    char *dir;
    struct os_file *lock;
    /* guarded by mu */
    struct mutex mu;
    struct cond idle; /* an entry is no longer busy */
    struct entry **entries;
    size_t count;
    size_t cap;
    bool failed;
    struct error cause;
};

/* ---- Entries ------------------------------------------------------------------------------- */

static void entry_free(struct entry *e)
{
    if (e != NULL) {
        buf_deinit(&e->note);
        mem_free(e);
    }
}

static struct entry *entry_find(const struct witness_store *s, const struct hash *log)
{
    size_t i;

    for (i = 0; i < s->count; i++) {
        if (memcmp(&s->entries[i]->log, log, sizeof(*log)) == 0) {
            return s->entries[i];
        }
    }
    return NULL;
}

static int entries_reserve(struct witness_store *s)
{
    size_t cap = s->cap > 0 ? 2 * s->cap : 8;
    struct entry **entries;

    if (s->count < s->cap) {
        return BLOCKDB_OK;
    }
    entries = mem_realloc(s->entries, cap * sizeof(*entries));
    if (entries == NULL) {
        return BLOCKDB_ENOMEM;
    }
    s->entries = entries;
    s->cap = cap;
    return BLOCKDB_OK;
}

/* Finds or adds the entry of a log. ELIMIT, ENOMEM. */
static int entry_ensure(struct witness_store *s, const struct hash *log, struct entry **out)
{
    struct entry *e = entry_find(s, log);

    if (e != NULL) {
        *out = e;
        return BLOCKDB_OK;
    }
    if (s->count == WITNESS_STORE_HEADS_MAX) {
        return BLOCKDB_ELIMIT;
    }
    e = mem_calloc(1, sizeof(*e));
    if (e == NULL || entries_reserve(s) < 0) {
        entry_free(e);
        return BLOCKDB_ENOMEM;
    }
    e->log = *log;
    merkle_empty_root(&e->head.root);
    s->entries[s->count++] = e;
    *out = e;
    return BLOCKDB_OK;
}

/* ---- Opening ------------------------------------------------------------------------------- */

static int load_head(struct witness_store *s, const char *name, const struct hash *log,
                     struct error *err)
{
    AUTO(mem_free_ptr) char *path = path_join(s->dir, name);
    AUTO(buf_deinit) struct buf bytes = {0};
    struct witness_head head;
    struct entry *e = NULL;
    struct slice note;
    int rc;

    if (path == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_read_file(s->os, path, WITNESS_HEAD_LEN_MAX, &bytes, err);
    if (rc == BLOCKDB_OK) {
        rc = witness_head_decode(buf_slice(&bytes), log, path, &note, &head, err);
    }
    if (rc < 0) {
        return rc;
    }
    rc = entry_ensure(s, log, &e);
    if (rc == BLOCKDB_ELIMIT) {
        return error_set(err, rc, "'%s' has the heads of more than %d logs", s->dir,
                         WITNESS_STORE_HEADS_MAX);
    }
    if (rc < 0 || buf_append_slice(&e->note, note) < 0) {
        return error_set_no_memory(err);
    }
    e->head = head;
    return BLOCKDB_OK;
}

/* What os_replace_file() leaves behind when it is interrupted. */
static bool is_leftover(const char *name)
{
    char head[WITNESS_HEAD_NAME_BYTES];
    struct hash log;

    if (strlen(name) != WITNESS_HEAD_NAME_BYTES - 1 + sizeof(TEMPORARY_SUFFIX) - 1 ||
        strcmp(name + WITNESS_HEAD_NAME_BYTES - 1, TEMPORARY_SUFFIX) != 0) {
        return false;
    }
    memcpy(head, name, WITNESS_HEAD_NAME_BYTES - 1);
    head[WITNESS_HEAD_NAME_BYTES - 1] = '\0';
    return witness_head_name_parse(head, &log);
}

struct listing {
    struct witness_store *store;
    struct error *err;
};

static int visit(void *context, const char *name, bool is_dir)
{
    struct listing *listing = context;
    struct witness_store *s = listing->store;
    AUTO(mem_free_ptr) char *path = NULL;
    struct hash log;

    if (is_dir) {
        return BLOCKDB_OK;
    }
    if (witness_head_name_parse(name, &log)) {
        return load_head(s, name, &log, listing->err);
    }
    if (!is_leftover(name)) {
        return BLOCKDB_OK;
    }
    path = path_join(s->dir, name);
    return path != NULL ? os_unlink(s->os, path, listing->err) : error_set_no_memory(listing->err);
}

static int load(struct witness_store *s, struct error *err)
{
    struct listing listing = {.store = s, .err = err};
    AUTO(mem_free_ptr) char *lock = path_join(s->dir, LOCK_NAME);
    int rc;

    if (lock == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_make_dirs(s->os, s->dir, err);
    rc = rc == BLOCKDB_OK ? os_lock(s->os, lock, &s->lock, err) : rc;
    rc = rc == BLOCKDB_OK ? os_list(s->os, s->dir, visit, &listing, err) : rc;
    /* A head whose rename was not made durable before a crash is one that was read now. */
    return rc == BLOCKDB_OK ? os_sync_dir(s->os, s->dir, err) : rc;
}

int witness_store_open(struct os *os, const char *dir, struct witness_store **out,
                       struct error *err)
{
    AUTO(witness_store_close_ptr) struct witness_store *s = mem_calloc(1, sizeof(*s));
    int rc;

    if (s == NULL) {
        return error_set_no_memory(err);
    }
    s->os = os;
    mutex_init(&s->mu, LOCK_RANK_SERVER);
    cond_init(&s->idle);
    s->dir = mem_strdup(dir);
    if (s->dir == NULL) {
        return error_set_no_memory(err);
    }
    rc = load(s, err);
    if (rc < 0) {
        return error_wrap(err, rc, "cannot open the heads of the witness in '%s'", dir);
    }
    *out = TAKE(s);
    return BLOCKDB_OK;
}

void witness_store_close(struct witness_store *s)
{
    size_t i;

    if (s == NULL) {
        return;
    }
    for (i = 0; i < s->count; i++) {
        ASSERT(!s->entries[i]->is_busy);
        entry_free(s->entries[i]);
    }
    mem_free(s->entries);
    file_close(s->lock);
    mem_free(s->dir);
    cond_deinit(&s->idle);
    mutex_deinit(&s->mu);
    mem_free(s);
}

void witness_store_close_ptr(struct witness_store **s)
{
    witness_store_close(*s);
}

/* ---- Reading ------------------------------------------------------------------------------- */

static int get_locked(struct witness_store *s, const struct hash *log, struct witness_head *out,
                      struct buf *out_note) REQUIRES(s->mu)
{
    const struct entry *e = entry_find(s, log);

    if (e == NULL) {
        out->size = 0;
        merkle_empty_root(&out->root);
        return BLOCKDB_OK;
    }
    if (out_note != NULL && buf_append_slice(out_note, buf_slice(&e->note)) < 0) {
        return BLOCKDB_ENOMEM;
    }
    *out = e->head;
    return BLOCKDB_OK;
}

static int store_get(void *context, const struct hash *log, struct witness_head *out,
                     struct buf *out_note, struct error *err)
{
    struct witness_store *s = context;
    int rc;

    mutex_lock(&s->mu);
    rc = get_locked(s, log, out, out_note);
    mutex_unlock(&s->mu);
    return rc < 0 ? error_set_no_memory(err) : rc;
}

bool witness_store_failed(struct witness_store *s, struct error *out_cause)
{
    bool failed;

    mutex_lock(&s->mu);
    failed = s->failed;
    if (failed) {
        *out_cause = s->cause;
    }
    mutex_unlock(&s->mu);
    return failed;
}

/* ---- Advancing ----------------------------------------------------------------------------- */

/* One head on its way to the disk. */
struct advance {
    const struct hash *log;
    uint64_t old_size;
    struct witness_head head;
    struct slice note;
    struct buf copy; /* of note, for the entry */
};

static int refuse_failed_locked(struct witness_store *s, struct error *err) REQUIRES(s->mu)
{
    return error_set(err, BLOCKDB_EREADONLY,
                     "the witness stores nothing more since this failure; start it again: %s",
                     s->cause.message);
}

/* Waits for other writers of this log, compares, and makes the caller the writer of *out. */
static int claim_locked(struct witness_store *s, const struct advance *a, struct entry **out,
                        uint64_t *out_size, struct error *err) REQUIRES(s->mu)
{
    struct entry *e = NULL;
    int rc = entry_ensure(s, a->log, &e);

    if (rc == BLOCKDB_ELIMIT) {
        return error_set(err, rc, "the witness has the heads of %d logs, and room for no more",
                         WITNESS_STORE_HEADS_MAX);
    }
    if (rc < 0) {
        return error_set_no_memory(err);
    }
    while (e->is_busy) {
        cond_wait(&s->idle, &s->mu);
    }
    if (s->failed) {
        return refuse_failed_locked(s, err);
    }
    if (e->head.size != a->old_size) {
        *out_size = e->head.size;
        return error_set(err, BLOCKDB_ECONFLICT,
                         "the newest head has %" PRIu64 " entries, not %" PRIu64, e->head.size,
                         a->old_size);
    }
    /* WSTORE-3. */
    ASSERT(a->head.size >= e->head.size);
    ASSERT(a->head.size > e->head.size ||
           memcmp(&a->head.root, &e->head.root, sizeof(a->head.root)) == 0);
    e->is_busy = true;
    *out = e;
    return BLOCKDB_OK;
}

/* What is needed to replace a file, allocated before anything is begun. */
struct replacement {
    char *path;
    char *temporary;
    struct buf content;
};

static void replacement_deinit(struct replacement *r)
{
    mem_free(r->path);
    mem_free(r->temporary);
    buf_deinit(&r->content);
}

static int replacement_init(struct replacement *r, const struct witness_store *s,
                            const struct advance *a)
{
    char name[WITNESS_HEAD_NAME_BYTES + sizeof(TEMPORARY_SUFFIX) - 1];

    witness_head_name(name, a->log);
    r->path = path_join(s->dir, name);
    memcpy(name + WITNESS_HEAD_NAME_BYTES - 1, TEMPORARY_SUFFIX, sizeof(TEMPORARY_SUFFIX));
    r->temporary = path_join(s->dir, name);
    if (r->path == NULL || r->temporary == NULL) {
        return BLOCKDB_ENOMEM;
    }
    return witness_head_encode(&r->content, a->note);
}

static int write_temporary(struct os *os, const struct replacement *r, struct error *err)
{
    AUTO(file_close_ptr) struct os_file *f = NULL;
    int rc = os_open(os, r->temporary, OS_WRITE | OS_CREATE | OS_TRUNCATE, &f, err);

    rc = rc == BLOCKDB_OK ? file_pwrite(f, r->content.data, r->content.len, 0, err) : rc;
    return rc == BLOCKDB_OK ? file_sync(f, err) : rc;
}

/* Replaces the file. *out_clean: the failure left no doubt that the old head is what the disk
 * holds, as when there is no memory or no space for the new one. */
static int replace(struct witness_store *s, const struct replacement *r, bool *out_clean,
                   struct error *err)
{
    int rc = write_temporary(s->os, r, err);

    *out_clean = rc == BLOCKDB_ENOMEM || rc == BLOCKDB_ENOSPC;
    if (rc < 0) {
        IGNORE_RESULT(os_unlink(s->os, r->temporary, NULL)); /* a leftover does no harm */
        return rc;
    }
    rc = os_rename(s->os, r->temporary, r->path, err);
    return rc == BLOCKDB_OK ? os_sync_dir(s->os, s->dir, err) : rc;
}

/* Makes the new head visible and lets the next writer of the log go on. */
static void settle(struct witness_store *s, struct entry *e, struct advance *a)
{
    struct buf before = e->note;

    mutex_lock(&s->mu);
    e->head = a->head;
    e->note = a->copy;
    e->is_busy = false;
    cond_broadcast(&s->idle);
    mutex_unlock(&s->mu);
    a->copy = before;
}

/* cause is NULL when the failure was a clean one. */
static void settle_failure(struct witness_store *s, struct entry *e, const struct error *cause)
{
    mutex_lock(&s->mu);
    if (cause != NULL && !s->failed) {
        s->failed = true;
        s->cause = *cause;
    }
    e->is_busy = false;
    cond_broadcast(&s->idle);
    mutex_unlock(&s->mu);
}

static int advance_run(struct witness_store *s, struct advance *a, uint64_t *out_size,
                       struct error *err)
{
    AUTO(replacement_deinit) struct replacement r = {0};
    struct entry *e = NULL;
    struct error cause;
    bool clean = false;
    int rc;

    if (replacement_init(&r, s, a) < 0) {
        return error_set_no_memory(err);
    }
    mutex_lock(&s->mu);
    rc = claim_locked(s, a, &e, out_size, err);
    mutex_unlock(&s->mu);
    if (rc < 0) {
        return rc;
    }
    rc = replace(s, &r, &clean, &cause);
    if (rc == BLOCKDB_OK) {
        settle(s, e, a);
        return BLOCKDB_OK;
    }
    settle_failure(s, e, clean ? NULL : &cause);
    if (err != NULL) {
        *err = cause;
    }
    return rc;
}

static int store_advance(void *context, const struct hash *log, uint64_t old_size,
                         struct slice note, uint64_t *out_size, struct error *err)
{
    struct witness_store *s = context;
    struct advance a = {.log = log, .old_size = old_size, .note = note};
    int rc = witness_head_of_note(note, log, &a.head, err);

    if (rc < 0) {
        return rc;
    }
    rc = buf_append_slice(&a.copy, note);
    rc = rc == BLOCKDB_OK ? advance_run(s, &a, out_size, err) : error_set_no_memory(err);
    buf_deinit(&a.copy);
    return rc;
}

struct witness_heads witness_store_heads(struct witness_store *s)
{
    return (struct witness_heads){.get = store_get, .advance = store_advance, .context = s};
}
