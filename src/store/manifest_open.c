/* SPDX-License-Identifier: Apache-2.0 */
/* Making, finding, replaying and closing a manifest. */
#include "base/mem.h"
#include "store/manifest_priv.h"

#include <inttypes.h>

#define ROLL_BYTES_DEFAULT ((uint64_t)1 << 20)
#define CURRENT_BYTES_MAX 64

static int manifest_new(const struct manifest_open_options *options, struct manifest **out)
{
    struct manifest *m = mem_calloc(1, sizeof(*m));

    if (m == NULL) {
        return BLOCKDB_ENOMEM;
    }
    m->os = options->os;
    m->roll_bytes = options->roll_bytes != 0 ? options->roll_bytes : ROLL_BYTES_DEFAULT;
    m->read_only = options->read_only;
    memcpy(m->ledger_id, options->ledger_id, LEDGER_ID_LEN);
    manifest_state_init(&m->state);
    mutex_init(&m->mu, LOCK_RANK_MANIFEST);
    cond_init(&m->idle);
    m->dir = mem_strdup(options->dir);
    m->current_path = path_join(options->dir, CURRENT_NAME);
    m->current_tmp_path = path_join(options->dir, CURRENT_NAME ".tmp");
    if (m->dir == NULL || m->current_path == NULL || m->current_tmp_path == NULL) {
        manifest_close(m);
        return BLOCKDB_ENOMEM;
    }
    *out = m;
    return BLOCKDB_OK;
}

void manifest_close(struct manifest *m)
{
    if (m == NULL) {
        return;
    }
    file_close(m->file);
    manifest_state_deinit(&m->state);
    cond_deinit(&m->idle);
    mutex_deinit(&m->mu);
    mem_free(m->dir);
    mem_free(m->current_path);
    mem_free(m->current_tmp_path);
    mem_free(m);
}

void manifest_close_ptr(struct manifest **m)
{
    manifest_close(*m);
}

char *manifest_path(const struct manifest *m, uint64_t number)
{
    char name[MANIFEST_NAME_MAX];

    manifest_name(number, name);
    return path_join(m->dir, name);
}

void manifest_remove(const struct manifest *m, uint64_t number)
{
    char *path = manifest_path(m, number);

    if (path != NULL) {
        IGNORE_RESULT(os_unlink(m->os, path, NULL)); /* tried again at the next opening */
    }
    mem_free(path);
}

/* ---- Which manifests are there --------------------------------------------------------------- */

struct numbers {
    struct buf bytes; /* le64 each, in the order of names */
    uint64_t highest;
};

static void numbers_deinit(struct numbers *numbers)
{
    buf_deinit(&numbers->bytes);
}

static int note_number(void *context, const char *name, bool is_dir)
{
    struct numbers *numbers = context;
    uint64_t number;

    if (is_dir || !manifest_name_parse(slice_of_text(name), &number)) {
        return BLOCKDB_OK;
    }
    if (number > numbers->highest) {
        numbers->highest = number;
    }
    return buf_append_le64(&numbers->bytes, number);
}

static int list_manifests(const struct manifest *m, struct numbers *out, struct error *err)
{
    int rc = os_list(m->os, m->dir, note_number, out, err);

    return rc == BLOCKDB_ENOMEM ? error_set_no_memory(err) : rc;
}

/* CURRENT does not name a manifest: says what to do, from the manifests there are. */
static int current_is_bad(const struct manifest *m, const char *what, struct error *err)
{
    AUTO(numbers_deinit) struct numbers numbers = {0};
    int rc = list_manifests(m, &numbers, err);

    if (rc < 0) {
        return rc;
    }
    if (numbers.highest == 0) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "'%s' %s, and no manifest is there either; restore the database "
                         "directory from a backup",
                         m->current_path, what);
    }
    return error_set(err, BLOCKDB_ECORRUPT,
                     "'%s' %s; if no other damage is known, write the line 'MANIFEST-%06" PRIu64
                     "', the newest manifest there, into it, else restore the database directory "
                     "from a backup",
                     m->current_path, what, numbers.highest);
}

/* There is no CURRENT: either no database either, not even half a one, or damage. */
static int current_is_missing(const struct manifest *m, struct error *err)
{
    AUTO(numbers_deinit) struct numbers numbers = {0};
    AUTO(mem_free_ptr) char *path = manifest_path(m, 1);
    struct os_stat stat = {0};
    int rc;

    if (path == NULL) {
        return error_set_no_memory(err);
    }
    rc = list_manifests(m, &numbers, err);
    if (rc == BLOCKDB_OK && numbers.highest == 1) {
        rc = os_stat_path(m->os, path, &stat, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (numbers.highest > 1 || stat.len_bytes > MANIFEST_HEAD_BYTES) {
        return current_is_bad(m, "is missing", err);
    }
    return error_set(err, BLOCKDB_ENOTFOUND, "'%s' holds no database: it has no '%s'", m->dir,
                     CURRENT_NAME);
}

static int read_current(const struct manifest *m, uint64_t *out_number, struct error *err)
{
    AUTO(buf_deinit) struct buf text = {0};
    int rc = os_read_file(m->os, m->current_path, CURRENT_BYTES_MAX, &text, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return current_is_missing(m, err);
    }
    if (rc < 0 && rc != BLOCKDB_ELIMIT) {
        return rc;
    }
    if (rc == BLOCKDB_OK && text.len == 0) {
        return current_is_bad(m, "is empty", err);
    }
    if (rc < 0 || text.data[text.len - 1] != '\n' ||
        !manifest_name_parse(slice_of(text.data, text.len - 1), out_number)) {
        return current_is_bad(m, "does not hold the name of a manifest", err);
    }
    return BLOCKDB_OK;
}

/* ---- Opening --------------------------------------------------------------------------------- */

int manifest_create(const struct manifest_open_options *options, struct manifest **out,
                    struct error *err)
{
    AUTO(manifest_close_ptr) struct manifest *m = NULL;
    struct error local;
    uint64_t number;
    int rc;

    err = err != NULL ? err : &local;
    if (manifest_new(options, &m) < 0) {
        return error_set_no_memory(err);
    }
    rc = read_current(m, &number, err);
    if (rc == BLOCKDB_OK) {
        return error_set(err, BLOCKDB_EEXIST, "'%s' holds a database already", m->dir);
    }
    if (rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    if (m->read_only) {
        return error_set(err, BLOCKDB_EREADONLY, "cannot create a database in '%s' read-only",
                         m->dir);
    }
    atomic_store(&m->next_file_number, m->state.next_file_number);
    rc = manifest_roll(m, err);
    if (rc < 0) {
        return rc;
    }
    *out = TAKE(m);
    return BLOCKDB_OK;
}

/* Replays the manifest of that number into m. *out_clean: its end is known to be synced. */
static int replay(struct manifest *m, uint64_t number, const char *path, bool *out_clean,
                  struct error *err)
{
    AUTO(manifest_log_deinit) struct manifest_log log = {0};
    int rc = manifest_log_read(m->os, path, NULL, NULL, &log, err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return current_is_bad(m, "names a manifest that is not there", err);
    }
    if (rc < 0) {
        return rc;
    }
    if (log.head.number != number) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "'%s' holds manifest %" PRIu64
                         "; somebody renamed it, restore the database directory from a backup",
                         path, log.head.number);
    }
    if (memcmp(log.head.ledger_id, m->ledger_id, LEDGER_ID_LEN) != 0) {
        return error_set(err, BLOCKDB_EFOREIGN,
                         "'%s' belongs to another ledger than '%s'; put back the files that belong "
                         "together",
                         path, IDENTITY_NAME);
    }
    m->state = log.state;
    manifest_state_init(&log.state);
    m->number = number;
    m->end = log.end;
    m->mark = log.head.mark;
    m->roll_at = manifest_roll_point(m, log.snapshot_end);
    *out_clean = log.end == log.head.synced && log.file_bytes == log.end;
    return BLOCKDB_OK;
}

/* Removes manifests that are not in force. Failures only leave them there. */
static void remove_left_overs(const struct manifest *m)
{
    AUTO(numbers_deinit) struct numbers numbers = {0};
    struct reader r;

    if (list_manifests(m, &numbers, NULL) < 0) {
        return;
    }
    r = reader_of(buf_slice(&numbers.bytes));
    while (reader_left(&r) > 0) {
        uint64_t number = reader_le64(&r);

        if (number != m->number) {
            manifest_remove(m, number);
        }
    }
}

/* Makes a replayed manifest ready for appends. */
static int prepare_for_appends(struct manifest *m, const char *path, bool clean, struct error *err)
{
    int rc = os_open(m->os, path, OS_READ | OS_WRITE, &m->file, err);

    if (rc < 0) {
        return rc;
    }
    if (!clean) {
        rc = file_truncate(m->file, m->end, err);
        if (rc < 0) {
            return rc;
        }
        /* What was read may be only in the page cache, left there by a sync that failed. A new
         * file does not depend on it; when there is no space for one, the old one must do. */
        rc = manifest_roll(m, err);
        if (rc < 0 && m->failure.code != BLOCKDB_OK) {
            return rc;
        }
    }
    remove_left_overs(m);
    return BLOCKDB_OK;
}

int manifest_open(const struct manifest_open_options *options, struct manifest **out,
                  struct error *err)
{
    AUTO(manifest_close_ptr) struct manifest *m = NULL;
    AUTO(mem_free_ptr) char *path = NULL;
    struct error local;
    uint64_t number;
    bool clean = true;
    int rc;

    err = err != NULL ? err : &local;
    if (manifest_new(options, &m) < 0) {
        return error_set_no_memory(err);
    }
    rc = read_current(m, &number, err);
    if (rc < 0) {
        return rc;
    }
    path = manifest_path(m, number);
    if (path == NULL) {
        return error_set_no_memory(err);
    }
    rc = replay(m, number, path, &clean, err);
    if (rc == BLOCKDB_OK && !m->read_only) {
        rc = prepare_for_appends(m, path, clean, err);
    }
    if (rc < 0) {
        return rc;
    }
    atomic_store(&m->next_file_number, m->state.next_file_number);
    *out = TAKE(m);
    return BLOCKDB_OK;
}
