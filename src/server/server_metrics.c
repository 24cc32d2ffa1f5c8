/* SPDX-License-Identifier: Apache-2.0 */
/* The part of server.c that writes the metrics of a server's own. */
#include "os/os.h"
#include "server/cosigner.h"
#include "server/dispatch.h"
#include "server/metrics.h"
#include "server/pool.h"
#include "server/server_priv.h"

#include <blockdb/blockdb.h>

static void write_connections(const struct server *s, struct metrics_writer *w)
{
    const struct server_stats stats = server_stats(s);

    metrics_gauge(w, "blockdb_connections", "Open connections of clients.", stats.connections);
    metrics_gauge(w, "blockdb_connections_max", "Connections that may be open at once.",
                  server_config(s)->max_connections);
    metrics_counter(w, "blockdb_connections_accepted_total", "Connections that were accepted.",
                    stats.connections_accepted);
    metrics_counter(w, "blockdb_connections_refused_total",
                    "Connections that were one too many (max_connections).",
                    stats.connections_refused);
    metrics_counter(w, "blockdb_connections_cut_total",
                    "Connections that were cut: deadlines, clients that never read.",
                    stats.connections_cut);
    metrics_counter(w, "blockdb_connections_moved_total",
                    "Connections that went to another worker, to spread them evenly.",
                    stats.connections_moved);
    metrics_counter(w, "blockdb_accept_errors_total",
                    "Pauses of accepting: no descriptors, no memory.", stats.accept_errors);
    metrics_counter(w, "blockdb_tls_handshake_failures_total", "TLS handshakes that failed.",
                    stats.tls_failures);
    metrics_counter(w, "blockdb_network_received_bytes_total", "Bytes from clients, without TLS.",
                    stats.received_bytes);
    metrics_counter(w, "blockdb_network_sent_bytes_total", "Bytes to clients, without TLS.",
                    stats.sent_bytes);
    if (atomic_load_explicit(&s->tls_expires, memory_order_relaxed) != 0) {
        metrics_gauge(w, "blockdb_tls_certificate_expiry_seconds",
                      "When the certificate ends, in seconds since 1970.",
                      (uint64_t)atomic_load_explicit(&s->tls_expires, memory_order_relaxed));
    }
}

static void write_pool(const struct server *s, struct metrics_writer *w)
{
    static const struct metrics_labels labels[POOL_CLASS_COUNT] = {
        [POOL_READ] = {{{"class", "read"}}},
        [POOL_LONG] = {{{"class", "long"}}},
    };
    struct pool_stats stats[POOL_CLASS_COUNT];
    int i;

    for (i = 0; i < POOL_CLASS_COUNT; i++) {
        stats[i] = pool_stats(s->pool, (enum pool_class)i);
    }
    metrics_family(w, METRICS_COUNTER, "blockdb_pool_jobs_total", "Jobs that threads have run.");
    for (i = 0; i < POOL_CLASS_COUNT; i++) {
        metrics_u64(w, &labels[i], stats[i].done);
    }
    metrics_family(w, METRICS_COUNTER, "blockdb_pool_refused_total",
                   "Jobs that found the queue full.");
    for (i = 0; i < POOL_CLASS_COUNT; i++) {
        metrics_u64(w, &labels[i], stats[i].refused);
    }
    metrics_family(w, METRICS_GAUGE, "blockdb_pool_waiting", "Jobs that wait for a thread.");
    for (i = 0; i < POOL_CLASS_COUNT; i++) {
        metrics_u64(w, &labels[i], stats[i].waiting);
    }
    metrics_family(w, METRICS_GAUGE, "blockdb_pool_running", "Jobs that a thread runs now.");
    for (i = 0; i < POOL_CLASS_COUNT; i++) {
        metrics_u64(w, &labels[i], stats[i].running);
    }
}

static void write_witnesses(const struct server *s, struct metrics_writer *w)
{
    struct cosigner_stats stats;

    if (s->cosigner == NULL) {
        return;
    }
    stats = cosigner_stats(s->cosigner);
    metrics_counter(w, "blockdb_witness_rounds_total", "Heads that were shown to the witnesses.",
                    stats.rounds);
    metrics_counter(w, "blockdb_witnessed_heads_total", "Heads that the policy calls witnessed.",
                    stats.witnessed);
    metrics_counter(w, "blockdb_witness_failures_total",
                    "Answers of witnesses that were no cosignature.", stats.failures);
    metrics_counter(w, "blockdb_witness_contradictions_total",
                    "Witnesses that have seen another log, or a longer one.", stats.contradictions);
    metrics_gauge(w, "blockdb_witnessed_entries", "Entries under the newest witnessed head.",
                  stats.size);
}

static void write_reloads(const struct server *s, struct metrics_writer *w)
{
    static const struct metrics_labels ok = {{{"outcome", "ok"}}};
    static const struct metrics_labels failed = {{{"outcome", "failed"}}};

    metrics_family(w, METRICS_COUNTER, "blockdb_config_reloads_total",
                   "Reloads of the configuration and the certificates.");
    metrics_u64(w, &ok, atomic_load_explicit(&s->reloads, memory_order_relaxed));
    metrics_u64(w, &failed, atomic_load_explicit(&s->reloads_failed, memory_order_relaxed));
    metrics_gauge(w, "blockdb_config_last_reload_failed",
                  "1 while what was loaded before is in force because the last reload failed.",
                  atomic_load_explicit(&s->is_reload_failed, memory_order_relaxed));
}

/* What is left for others than root, where the database has its directories. */
static void write_disk(const struct server *s, struct metrics_writer *w)
{
    static const struct metrics_labels data = {{{"directory", "data"}}};
    static const struct metrics_labels wal = {{{"directory", "wal"}}};
    const char *data_dir = blockdb_option_in_force(s->options.db, "data_dir");
    const char *wal_dir = blockdb_option_in_force(s->options.db, "wal_dir");
    uint64_t bytes;

    metrics_family(w, METRICS_GAUGE, "blockdb_disk_free_bytes",
                   "Free space of the file systems of the database.");
    if (data_dir != NULL && os_free_space(s->options.os, data_dir, &bytes, NULL) == BLOCKDB_OK) {
        metrics_u64(w, &data, bytes);
    }
    if (wal_dir != NULL && wal_dir[0] != '\0' &&
        os_free_space(s->options.os, wal_dir, &bytes, NULL) == BLOCKDB_OK) {
        metrics_u64(w, &wal, bytes);
    }
}

static void write_server(void *arg, struct metrics_writer *w)
{
    const struct server *s = arg;
    struct error err;

    write_connections(s, w);
    write_pool(s, w);
    metrics_gauge(w, "blockdb_calls_pending", "Calls that the engine or the pool works on.",
                  dispatch_pending(s->dispatch));
    metrics_gauge(w, "blockdb_draining", "1 while the server is about to stop.",
                  server_phase(s) == SERVER_DRAINING);
    metrics_gauge(w, "blockdb_writable",
                  "Whether writes are taken: 0 while there is no room, and after a failed write or "
                  "sync until the server is started anew.",
                  blockdb_write_check(s->options.db, &err) == BLOCKDB_OK);
    write_disk(s, w);
    write_reloads(s, w);
    write_witnesses(s, w);
}

void server_register_metrics(struct server *s)
{
    metrics_register(s->metrics, write_server, s);
}
