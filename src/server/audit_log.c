/* SPDX-License-Identifier: Apache-2.0 */
#include "server/audit_log.h"

#include "base/bytes.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/text.h"
#include "os/os.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define AREA "audit"
#define LINE_BYTES 1024
#define NS_PER_S 1000000000U

static const char *const outcome_names[] = {
    [AUDIT_OK] = "ok", [AUDIT_REFUSED] = "refused", [AUDIT_FAILED] = "failed"};

/* An open file that several threads append to at offsets of their own. */
struct sink_file {
    struct os_file *file;
    uint64_t end;  /* where the next line goes; guarded by the log's mu */
    unsigned refs; /* guarded by the log's mu */
};

struct audit_log {
    /* constant */
    struct os *os;
    char *path; /* NULL: there is no file */
    struct logger *main;
    struct logger own; /* writes to the file */
    struct mutex mu;
    /* guarded by mu */
    struct sink_file *to; /* one reference */
    uint64_t second;      /* in which refusals are counted */
    uint32_t refusals;
    uint64_t lost;
    bool told; /* of the first line that could not be written */
};

/* ---- The file ------------------------------------------------------------------------------ */

static void sink_unref(struct audit_log *log, struct sink_file *to)
{
    unsigned left;

    mutex_lock(&log->mu);
    left = --to->refs;
    mutex_unlock(&log->mu);
    if (left == 0) {
        file_close(to->file);
        mem_free(to);
    }
}

static int sink_open(struct audit_log *log, struct sink_file **out, struct error *err)
{
    AUTO(file_close_ptr) struct os_file *file = NULL;
    struct sink_file *to;
    struct os_stat stat;
    int rc = os_open(log->os, log->path, OS_WRITE | OS_CREATE, &file, err);

    if (rc == BLOCKDB_OK) {
        rc = file_stat(file, &stat, err);
    }
    if (rc < 0) {
        return error_wrap(err, rc, "the audit log");
    }
    to = mem_calloc(1, sizeof *to);
    if (to == NULL) {
        return error_set_no_memory(err);
    }
    to->file = TAKE(file);
    to->end = stat.len_bytes;
    to->refs = 1;
    *out = to;
    return BLOCKDB_OK;
}

static void count_lost(struct audit_log *log, const struct error *cause)
{
    bool tell;

    mutex_lock(&log->mu);
    log->lost++;
    tell = !log->told;
    log->told = true;
    mutex_unlock(&log->mu);
    if (tell) {
        logger_write(log->main, LOGGER_ERROR, AREA,
                     "a line of the audit log could not be written, and perhaps more: %s",
                     cause->message);
    }
}

/* A logger_sink_fn. No lock is held while the file is written. */
static void sink(void *context, const char *line, size_t len)
{
    struct audit_log *log = context;
    struct error err = {0};
    struct sink_file *to;
    uint64_t at;

    mutex_lock(&log->mu);
    to = log->to;
    to->refs++;
    at = to->end;
    to->end += len;
    mutex_unlock(&log->mu);

    if (file_pwrite(to->file, line, len, at, &err) < 0) {
        count_lost(log, &err);
    }
    sink_unref(log, to);
}

static uint64_t now_ms(void *context)
{
    return os_now_ms(context);
}

int audit_log_new(struct os *os, const char *path, struct logger *main, struct audit_log **out,
                  struct error *err)
{
    AUTO(audit_log_free_ptr) struct audit_log *log = mem_calloc(1, sizeof *log);
    struct logger_options options = {.level = LOGGER_INFO,
                                     .format = main != NULL ? main->format : LOGGER_TEXT,
                                     .sink = sink,
                                     .sink_context = log,
                                     .clock = now_ms,
                                     .clock_context = os};
    int rc;

    if (log == NULL) {
        return error_set_no_memory(err);
    }
    mutex_init(&log->mu, LOCK_RANK_AUTH);
    log->os = os;
    log->main = main;
    logger_init(&log->own, &options);
    if (path[0] != '\0') {
        log->path = mem_strdup(path);
        if (log->path == NULL) {
            return error_set_no_memory(err);
        }
        rc = sink_open(log, &log->to, err);
        if (rc < 0) {
            return rc;
        }
    }
    *out = TAKE(log);
    return BLOCKDB_OK;
}

void audit_log_free(struct audit_log *log)
{
    if (log == NULL) {
        return;
    }
    if (log->to != NULL) {
        sink_unref(log, log->to);
    }
    mutex_deinit(&log->mu);
    mem_free(log->path);
    mem_free(log);
}

void audit_log_free_ptr(struct audit_log **log)
{
    audit_log_free(*log);
}

int audit_log_reopen(struct audit_log *log, struct error *err)
{
    struct sink_file *fresh = NULL;
    struct sink_file *old;
    int rc;

    if (log->path == NULL) {
        return BLOCKDB_OK;
    }
    rc = sink_open(log, &fresh, err);
    if (rc < 0) {
        return rc;
    }
    mutex_lock(&log->mu);
    old = log->to;
    log->to = fresh;
    log->told = false;
    mutex_unlock(&log->mu);
    sink_unref(log, old);
    return BLOCKDB_OK;
}

uint64_t audit_log_lost(const struct audit_log *log)
{
    return __atomic_load_n(&log->lost, __ATOMIC_RELAXED);
}

/* ---- Events -------------------------------------------------------------------------------- */

struct line {
    char text[LINE_BYTES];
    size_t len;
};

static bool is_plain(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
              strchr("._@:/-", *c) != NULL)) {
            return false;
        }
    }
    return text[0] != '\0';
}

/* Appends ` name=value`; a field that does not fit is cut. */
static void add(struct line *line, const char *name, const char *value)
{
    char shown[TEXT_SHOWN_BYTES];
    size_t left = sizeof line->text - line->len;
    int len;

    if (value == NULL) {
        return;
    }
    text_show(shown, slice_of_text(value));
    for (char *c = shown; *c != '\0'; c++) {
        *c = *c == '"' ? '\'' : *c; /* a value cannot end early and begin a field of its own */
    }
    len = snprintf(line->text + line->len, left, is_plain(shown) ? "%s%s=%s" : "%s%s=\"%s\"",
                   line->len > 0 ? " " : "", name, shown);
    line->len += len < 0 ? 0 : (size_t)len < left ? (size_t)len : left - 1;
}

static void emit(struct audit_log *log, const char *text)
{
    if (log->path != NULL) {
        logger_write(&log->own, LOGGER_INFO, AREA, "%s", text);
    } else {
        logger_write(log->main, LOGGER_WARNING, AREA, "%s", text);
    }
}

/* Counts a refusal. False when this second has had enough of them; *out_dropped is how many of an
 * earlier second were dropped, told once. */
static bool admit_refusal(struct audit_log *log, uint64_t *out_dropped)
{
    uint64_t second = os_monotonic_ns(log->os) / NS_PER_S;
    bool admitted;

    mutex_lock(&log->mu);
    if (log->second != second) {
        if (log->refusals > AUDIT_REFUSALS_PER_SECOND) {
            *out_dropped = log->refusals - AUDIT_REFUSALS_PER_SECOND;
        }
        log->second = second;
        log->refusals = 0;
    }
    admitted = log->refusals < AUDIT_REFUSALS_PER_SECOND;
    log->refusals += log->refusals < UINT32_MAX;
    mutex_unlock(&log->mu);
    return admitted;
}

void audit_write(struct audit_log *log, const struct audit_event *event)
{
    struct line line = {.len = 0};
    uint64_t dropped = 0;
    bool admitted;

    if (log == NULL) {
        return;
    }
    admitted = event->outcome != AUDIT_REFUSED || admit_refusal(log, &dropped);
    if (dropped > 0) {
        char text[96];

        (void)snprintf(text, sizeof text, "action=dropped outcome=refused count=%" PRIu64, dropped);
        emit(log, text);
    }
    if (!admitted) {
        return;
    }
    add(&line, "action", event->action);
    add(&line, "outcome", outcome_names[event->outcome]);
    add(&line, "who", event->who);
    add(&line, "from", event->address);
    add(&line, "target", event->target);
    add(&line, "reason", event->reason);
    add(&line, "request", event->request);
    emit(log, line.text);
}
