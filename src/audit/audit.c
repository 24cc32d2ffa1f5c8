/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit.h"

#include "audit/audit_head.h"
#include "audit/audit_join.h"
#include "audit/audit_pool.h"
#include "base/mem.h"
#include "base/text.h"
#include "ledger/merkle.h"
#include "os/os.h"

#include <inttypes.h>
#include <stdio.h>

/* An audit that runs for long keeps what it found at least this often. */
#define KEEP_NS (10 * 1000000000ULL)

/* One run. */
struct audit {
    const struct audit_options *options;
    struct audit_report *report;
    struct audit_state state; /* as loaded */
    struct audit_head head;   /* that the log shows now */
    struct audit_join join;
    bool joins; /* join is initialised */
    uint64_t kept_ns;
};

void audit_report_deinit(struct audit_report *report)
{
    mem_free(report->configs);
    report->configs = NULL;
    report->config_count = 0;
}

/* ---- The state ----------------------------------------------------------------------------- */

static int load_state(struct audit *a, struct error *err)
{
    int rc = audit_state_load(a->options->os, a->options->state_path, &a->state, err);

    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_OK : rc; /* the first audit of this log */
}

/* One state file follows one log. */
static int check_origin(const struct audit *a, struct error *err)
{
    const struct audit_head *known = a->state.head.note.len > 0 ? &a->state.head : &a->state.seen;
    struct slice before = audit_head_origin(known);
    struct slice now = audit_head_origin(&a->head);

    if (known->note.len == 0 || slice_equal(before, now)) {
        return BLOCKDB_OK;
    }
    return error_set(err, BLOCKDB_EINVAL,
                     "the state file '%.200s' is of the log '%.*s', but this is the log '%.*s'; "
                     "use a state file of its own for each log",
                     a->options->state_path, (int)before.len, (const char *)before.data,
                     (int)now.len, (const char *)now.data);
}

/* Stores the head as seen but not verified, and what was joined so far as the position when that is
 * further than what the file says (AUDIT-1). */
static int keep_position(struct audit *a, struct error *err)
{
    const struct audit_join *j = &a->join;
    struct audit_state next = a->state; /* its notes are borrowed for the call */

    if (!a->joins || a->head.size <= a->state.head.size) {
        return BLOCKDB_OK;
    }
    next.seen = a->head;
    if (j->sealed.size > next.frontier.size && j->sealed.size <= a->head.size) {
        next.frontier = j->sealed;
        next.last_header = j->last_header;
        next.counts = j->sealed_counts;
        next.epoch = j->sealed_epoch;
    }
    return audit_state_store(a->options->os, a->options->state_path, &next, err);
}

/* Stores the head as verified. */
static int keep_head(struct audit *a, struct error *err)
{
    const struct audit_join *j = &a->join;
    struct audit_state next = {
        .head = a->head, /* borrowed for the call */
        .frontier = j->sealed,
        .last_header = j->last_header,
        .counts = j->sealed_counts,
        .epoch = j->sealed_epoch,
    };

    return audit_state_store(a->options->os, a->options->state_path, &next, err);
}

/* ---- Heads --------------------------------------------------------------------------------- */

/* The log contradicts a head that is remembered: tells both, and keeps the evidence. */
static int fork_found(struct audit *a, const struct audit_head *before, const char *reason,
                      struct error *err)
{
    char then[2 * SHA256_LEN + 1];
    char now[2 * SHA256_LEN + 1];
    struct error write_err;
    const char *kept = "the evidence is in";
    const char *where = a->report->fork_path;

    text_format_hex(then, before->root.bytes, SHA256_LEN);
    text_format_hex(now, a->head.root.bytes, SHA256_LEN);
    if (audit_fork_write(a->options, before, &a->head, reason, a->report->fork_path, &write_err) <
        0) {
        kept = "the evidence could not be written:";
        where = write_err.message;
    }
    return error_set(err, BLOCKDB_ETAMPERED,
                     "'%.200s': %s. Remembered: %" PRIu64 " entries, root %s. Shown now: %" PRIu64
                     " entries, root %s. %s '%.300s'",
                     a->options->source->place, reason, before->size, then, a->head.size, now, kept,
                     where);
}

static int check_growth(struct audit *a, struct audit_reader *r, const struct audit_head *before,
                        struct error *err)
{
    if (before->note.len == 0) {
        return BLOCKDB_OK;
    }
    switch (audit_head_compare(r, before, &a->head)) {
    case GROWTH_OK:
    case GROWTH_UNKNOWN: /* reading the entries will tell, and where */
        return BLOCKDB_OK;
    case GROWTH_SHORTER:
        return fork_found(a, before, "the log is shorter than it was", err);
    case GROWTH_OTHER:
        break;
    }
    return fork_found(a, before, "the log is another than it was", err);
}

/* Both heads that are remembered against the one that is shown. */
static int check_heads(struct audit *a, struct error *err)
{
    struct audit_reader reader;
    int rc = audit_reader_open(&reader, a->options->source, a->head.size, err);

    if (rc == BLOCKDB_OK) {
        rc = check_growth(a, &reader, &a->state.head, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = check_growth(a, &reader, &a->state.seen, err);
    }
    audit_reader_close(&reader);
    return rc;
}

/* After a full audit, whose tiles are all verified: a growth that is not proven by now is none. */
static int prove_growth(struct audit *a, struct error *err)
{
    const struct audit_head *known[] = {&a->state.head, &a->state.seen};
    struct audit_reader reader;
    int rc = audit_reader_open(&reader, a->options->source, a->head.size, err);

    for (unsigned i = 0; rc == BLOCKDB_OK && i < 2; i++) {
        if (audit_head_compare(&reader, known[i], &a->head) != GROWTH_OK) {
            rc = fork_found(a, known[i], "the log does not continue what it was", err);
        }
    }
    audit_reader_close(&reader);
    return rc;
}

/* ---- Entries ------------------------------------------------------------------------------- */

static int list_configs(struct audit_report *report, const struct stretch *s)
{
    size_t room = AUDIT_CONFIGS_MAX - report->config_count;
    size_t n = s->config_count < room ? s->config_count : room;
    struct audit_config *grown;

    if (n == 0) {
        return BLOCKDB_OK;
    }
    grown = mem_realloc(report->configs, (report->config_count + n) * sizeof(*grown));
    if (grown == NULL) {
        return BLOCKDB_ENOMEM;
    }
    report->configs = grown;
    memcpy(grown + report->config_count, s->configs, n * sizeof(*grown));
    report->config_count += n;
    return BLOCKDB_OK;
}

/* An audit_pool_take_fn. */
static int take_stretch(void *context, const struct stretch *s, struct error *err)
{
    struct audit *a = context;
    struct audit_report *report = a->report;
    uint64_t now = os_monotonic_ns(a->options->os);
    int rc;

    report->entries += s->entries;
    report->bytes_hashed += s->bytes_hashed;
    report->bytes_read += s->bytes_read;
    rc = audit_join_add(&a->join, s, err);
    if (rc == BLOCKDB_OK && list_configs(report, s) < 0) {
        rc = error_set_no_memory(err);
    }
    if (rc == BLOCKDB_OK && now - a->kept_ns > KEEP_NS) {
        a->kept_ns = now;
        rc = keep_position(a, err);
    }
    return rc;
}

/* Reads and checks all entries behind the position that the join starts at. */
static int check_entries(struct audit *a, const struct audit_state *start, struct error *err)
{
    const struct audit_options *o = a->options;
    struct audit_pool_options pool = {
        .os = o->os,
        .source = o->source,
        .head = &a->head,
        .start = &start->frontier,
        .wants_changes = a->join.map != NULL,
        .threads = o->threads,
        .progress = o->progress,
        .progress_arg = o->progress_arg,
        .take = take_stretch,
        .take_context = a,
    };
    int rc = BLOCKDB_OK;

    a->kept_ns = os_monotonic_ns(o->os);
    if (start->frontier.size < a->head.size) {
        rc = audit_pool_run(&pool, err);
    }
    if (rc < 0) {
        return rc;
    }
    rc = audit_join_finish(&a->join, &a->head, err);
    if (rc < 0 && start->frontier.size > 0 && a->state.head.size > 0 &&
        a->state.head.size <= start->frontier.size) {
        /* What was remembered is right, so what is shown does not continue it. */
        return fork_found(a, &a->state.head,
                          "the entries since do not lead to the head that it shows", err);
    }
    return rc;
}

static void tell_map(struct audit *a, uint64_t from, bool reached)
{
    struct audit_report *report = a->report;

    if (a->options->without_map) {
        report->map = AUDIT_MAP_UNWANTED;
    } else if (from > 0) {
        report->map = AUDIT_MAP_LATE;
    } else if (!reached) {
        report->map = AUDIT_MAP_UNREACHED;
    } else {
        report->map = a->join.has_map ? AUDIT_MAP_CHECKED : AUDIT_MAP_NONE;
    }
}

/* ---- Values -------------------------------------------------------------------------------- */

static bool report_values(void *arg, const char *unit, uint64_t done, uint64_t total)
{
    const struct audit_options *o = arg;

    (void)unit;
    return o->progress == NULL || o->progress(o->progress_arg, "values", done, total);
}

/* Recomputes the commitments of all values behind `from`, by the database's own verification: it
 * compares them with the tiles, which were just audited. */
static int check_values(struct audit *a, uint64_t from, struct error *err)
{
    struct blockdb *db = a->options->source->db;
    struct blockdb_verify_options options = BLOCKDB_VERIFY_OPTIONS_INIT;
    struct blockdb_verify_report verified = {0};
    struct audit_options borrowed = *a->options;
    int rc;

    if (db == NULL || a->options->without_values || from >= a->head.size) {
        return BLOCKDB_OK;
    }
    options.from_seq = from;
    options.to_seq = a->head.size - 1;
    options.threads = a->options->threads;
    options.progress = report_values;
    options.progress_arg = &borrowed;
    rc = blockdb_verify(db, &options, &verified, err);
    if (rc < 0) {
        return error_wrap(err, rc, "values");
    }
    if (verified.size == a->head.size &&
        memcmp(verified.root, a->head.root.bytes, SHA256_LEN) != 0) {
        return error_set(err, BLOCKDB_ETAMPERED,
                         "the values in '%.300s' do not lead to the root of the head",
                         a->options->source->place);
    }
    a->report->values_checked = true;
    a->report->values_bytes = verified.bytes_hashed;
    a->report->redacted_values = verified.redactions;
    return BLOCKDB_OK;
}

/* ---- The whole ----------------------------------------------------------------------------- */

static void tell_head(struct audit *a)
{
    struct audit_report *report = a->report;
    struct slice origin = audit_head_origin(&a->head);

    (void)snprintf(report->origin, sizeof(report->origin), "%.*s", (int)origin.len,
                   (const char *)origin.data);
    report->size = a->head.size;
    report->root = a->head.root;
    report->is_grown = a->state.head.note.len > 0;
    report->remembered_size = a->state.head.size;
}

/* Goes through the log from a position. */
static int run_from(struct audit *a, const struct audit_state *start, struct error *err)
{
    uint64_t from = start->frontier.size;
    bool with_map = from == 0 && !a->options->without_map;
    int rc;

    a->report->from = from;
    a->report->map = AUDIT_MAP_UNREACHED;
    if (audit_join_init(&a->join, a->options->source, start, with_map) < 0) {
        return error_set_no_memory(err);
    }
    a->joins = true;
    rc = check_entries(a, start, err);
    tell_map(a, from, rc == BLOCKDB_OK);
    a->report->counts = a->join.counts;
    if (a->join.map != NULL) {
        a->report->bytes_hashed += audit_map_bytes_hashed(a->join.map);
    }
    a->report->epoch = a->join.epoch;
    if (rc == BLOCKDB_OK && a->options->is_full) {
        rc = prove_growth(a, err);
    }
    return rc;
}

static int run(struct audit *a, struct error *err)
{
    struct audit_state fresh = {0};
    const struct audit_state *start = a->options->is_full ? &fresh : &a->state;
    struct error ignored;
    int rc = load_state(a, err);

    if (rc == BLOCKDB_OK) {
        rc = audit_head_fetch(a->options, &a->head, &a->report->trust, err);
    }
    if (rc == BLOCKDB_OK) {
        tell_head(a);
        rc = check_origin(a, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = check_heads(a, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = run_from(a, start, err);
    }
    if (rc == BLOCKDB_OK) {
        /* Not from the position: an interrupted audit has come there without their values. */
        rc = check_values(a, a->options->is_full ? 0 : a->state.head.size, err);
    }
    if (rc == BLOCKDB_ECANCELED) {
        /* The interruption is what is told; without the file the next audit only takes longer. */
        IGNORE_RESULT(keep_position(a, &ignored));
    }
    return rc < 0 ? rc : keep_head(a, err);
}

int audit_run(const struct audit_options *options, struct audit_report *report, struct error *err)
{
    struct audit *a = mem_calloc(1, sizeof(*a));
    int rc;

    if (a == NULL) {
        return error_set_no_memory(err);
    }
    a->options = options;
    a->report = report;
    audit_state_init(&a->state);
    rc = run(a, err);
    if (a->joins) {
        audit_join_deinit(&a->join);
    }
    audit_head_deinit(&a->head);
    audit_state_deinit(&a->state);
    mem_free(a);
    return rc;
}
