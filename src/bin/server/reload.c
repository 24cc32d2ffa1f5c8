/* SPDX-License-Identifier: Apache-2.0 */
/* The part of program.c that reloads, and that watches over the database. */
#include "base/bytes.h"
#include "base/mem.h"
#include "bin/server/program_priv.h"
#include "config/config.h"
#include "os/os.h"
#include "server/audit_log.h"
#include "server/server.h"

#include <blockdb/blockdb.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS 1000000ULL
#define DIFF_LINE_BYTES 512

static void tell_audit(struct program *p, enum audit_outcome outcome, const char *what)
{
    audit_write(server_audit(p->server), &(struct audit_event){.action = "config.reload",
                                                               .outcome = outcome,
                                                               .who = "SIGHUP",
                                                               .reason = what});
}

/* One line of the log for each line of the diff. */
static void tell_diff(struct program *p, const struct buf *diff)
{
    const char *at = (const char *)diff->data;
    const char *end = at + diff->len;

    if (diff->len == 0) {
        logger_write(&p->notices, LOGGER_INFO, "config",
                     config_text(p->config, "security.tls_cert")[0] != '\0'
                         ? "reloaded: no key has changed; certificates were loaded anew"
                         : "reloaded: no key has changed");
        return;
    }
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t len = line_end != NULL ? (size_t)(line_end - at) : (size_t)(end - at);
        char line[DIFF_LINE_BYTES];

        (void)snprintf(line, sizeof(line), "%.*s", (int)len, at);
        logger_write(&p->notices, LOGGER_INFO, "config", "reloaded: %s", line);
        tell_audit(p, AUDIT_OK, line);
        at += len + 1;
    }
}

/* Everything that can fail comes before anything changes. */
static int reload(struct program *p, struct error *err)
{
    AUTO(config_free_ptr) struct config *config = NULL;
    AUTO(buf_deinit) struct buf diff = {0};
    struct config_logging logging;
    int rc = flags_configure(&p->flags, p->os, p->environment, &config, err);

    if (rc == BLOCKDB_OK && server_config_diff(p->config, config, &diff) < 0) {
        rc = error_set_no_memory(err);
    }
    if (rc < 0) {
        return rc;
    }
    logging = config_logging(config);
    rc = log_output_move(&p->output, logging.file, err);
    if (rc < 0) {
        return rc;
    }
    rc = server_reload(p->server, config, err);
    if (rc < 0) {
        /* The old file is still where it was, so this can hardly fail. */
        IGNORE_RESULT(log_output_move(&p->output, config_logging(p->config).file, NULL));
        return rc;
    }
    logger_set_level(&p->logger, logging.level);
    config_free(p->config);
    p->config = TAKE(config);
    tell_diff(p, &diff);
    return BLOCKDB_OK;
}

void program_reload(struct program *p)
{
    struct error err = {0};
    int rc;

    notify_reloading(&p->notify);
    rc = reload(p, &err);
    server_note_reload(p->server, rc == BLOCKDB_OK);
    if (rc < 0) {
        logger_write(&p->logger, LOGGER_ERROR, "config",
                     "the configuration was not reloaded, nothing has changed: %s", err.message);
        tell_audit(p, AUDIT_FAILED, err.message);
        notify_send(&p->notify, "READY=1\nSTATUS=Serving; the last reload failed: %s", err.message);
        return;
    }
    notify_send(&p->notify, "READY=1\nSTATUS=Serving on %s", server_address(p->server, 0));
}

/* A commit loop that has work and does nothing is stuck; one that has none is well. */
static bool commits_go_on(struct program *p)
{
    struct blockdb_stats stats = BLOCKDB_STATS_INIT;
    uint64_t mark;
    bool moved;

    if (blockdb_stats_get(p->db, &stats, NULL) < 0) {
        return false;
    }
    mark = stats.commit_groups + stats.wal_syncs;
    moved = mark != p->watched_mark || stats.commit_queue_bytes == 0;
    p->watched_mark = mark;
    return moved;
}

/* Requests that are refused for it are not told one by one. */
static void tell_writable(struct program *p)
{
    struct error err = {0};
    int rc = blockdb_write_check(p->db, &err);

    if ((rc < 0) == p->is_unwritable) {
        return;
    }
    p->is_unwritable = rc < 0;
    if (rc < 0) {
        logger_write(&p->logger, LOGGER_ERROR, "server", "writes are refused: %s", err.message);
        notify_send(&p->notify, "STATUS=Writes are refused: %s", err.message);
    } else {
        logger_write(&p->notices, LOGGER_INFO, "server", "writes are taken again");
        notify_send(&p->notify, "STATUS=Serving");
    }
}

void program_watch(struct program *p)
{
    uint64_t now_ms = os_monotonic_ns(p->os) / NS_PER_MS;

    tell_writable(p);

    if (p->notify.watchdog_ms == 0 || now_ms < p->watched_ms + p->notify.watchdog_ms) {
        return;
    }
    p->watched_ms = now_ms;
    if (commits_go_on(p)) {
        notify_send(&p->notify, "WATCHDOG=1");
    }
}
