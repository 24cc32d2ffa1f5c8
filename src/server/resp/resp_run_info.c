/* SPDX-License-Identifier: Apache-2.0 */
/* The handler of INFO: figures in the names that clients and tools of Redis look for. */
#include "base/mem.h"
#include "base/text.h"
#include "os/os.h"
#include "server/resp/resp_info.h"
#include "server/resp/resp_op.h"
#include "server/resp/resp_run.h"
#include "server/resp/resp_worker.h"
#include "server/server.h"

#include <inttypes.h>
#include <unistd.h>

/* What the sections are written from. */
struct info {
    struct blockdb *db;
    struct blockdb_stats stats;
    struct server_stats server;
    const struct resp_worker *worker;
    uint64_t now_ms;
    uint64_t port;
};

static int server_section(const struct info *i, struct buf *out)
{
    uint64_t up_s = i->server.started_ms > 0 ? (i->now_ms - i->server.started_ms) / 1000 : 0;

    return buf_appendf(out,
                       "redis_version:%s\r\nredis_mode:standalone\r\nblockdb_version:%s\r\n"
                       "os:Linux\r\narch_bits:64\r\nprocess_id:%" PRIu64 "\r\nrun_id:%s\r\n"
                       "tcp_port:%" PRIu64 "\r\nuptime_in_seconds:%" PRIu64
                       "\r\nuptime_in_days:%" PRIu64 "\r\n",
                       RESP_REDIS_VERSION, blockdb_version(), (uint64_t)getpid(),
                       blockdb_ledger_id(i->db), i->port, up_s, up_s / 86400);
}

static int clients_section(const struct info *i, struct buf *out)
{
    return buf_appendf(out, "connected_clients:%" PRIu64 "\r\nblocked_clients:0\r\n",
                       i->server.connections);
}

static int memory_section(const struct info *i, struct buf *out)
{
    char shown[TEXT_SIZE_BYTES];

    text_format_size_short(shown, i->stats.memory_bytes);
    return buf_appendf(out,
                       "used_memory:%" PRIu64 "\r\nused_memory_human:%s\r\n"
                       "used_memory_peak:%" PRIu64 "\r\nmaxmemory:0\r\n"
                       "maxmemory_policy:noeviction\r\n",
                       i->stats.memory_bytes, shown, i->stats.memory_peak_bytes);
}

static int persistence_section(const struct info *i, struct buf *out)
{
    return buf_appendf(out,
                       "loading:0\r\naof_enabled:1\r\naof_rewrite_in_progress:0\r\n"
                       "rdb_bgsave_in_progress:0\r\nrdb_changes_since_last_save:%" PRIu64 "\r\n",
                       i->stats.acked_seq - i->stats.durable_seq);
}

static int stats_section(const struct info *i, struct buf *out)
{
    const struct blockdb_stats *s = &i->stats;

    return buf_appendf(out,
                       "total_connections_received:%" PRIu64 "\r\ntotal_commands_processed:%" PRIu64
                       "\r\ntotal_net_input_bytes:%" PRIu64 "\r\ntotal_net_output_bytes:%" PRIu64
                       "\r\nrejected_connections:%" PRIu64
                       "\r\nexpired_keys:0\r\nevicted_keys:0\r\n"
                       "keyspace_hits:%" PRIu64 "\r\nkeyspace_misses:%" PRIu64 "\r\n",
                       i->server.connections_accepted, s->puts + s->deletes + s->gets + s->scans,
                       i->server.received_bytes, i->server.sent_bytes,
                       i->server.connections_refused, s->gets_found, s->gets - s->gets_found);
}

static int replication_section(const struct info *i, struct buf *out)
{
    return buf_appendf(out,
                       "role:master\r\nconnected_slaves:0\r\nmaster_replid:%s%08x\r\n"
                       "master_repl_offset:%" PRIu64 "\r\n",
                       blockdb_ledger_id(i->db), (unsigned)blockdb_epoch(i->db),
                       i->stats.acked_seq);
}

static int ledger_section(const struct info *i, struct buf *out)
{
    const struct blockdb_stats *s = &i->stats;

    return buf_appendf(out,
                       "ledger_id:%s\r\nentries:%" PRIu64 "\r\nentries_durable:%" PRIu64
                       "\r\nentries_sealed:%" PRIu64 "\r\nblocks:%" PRIu64 "\r\n",
                       blockdb_ledger_id(i->db), s->acked_seq, s->durable_seq, s->sealed_seq,
                       s->block_count);
}

static int keyspace_section(const struct info *i, struct buf *out)
{
    if (i->stats.live_keys_estimate == 0) {
        return BLOCKDB_OK;
    }
    return buf_appendf(out, "db0:keys=%" PRIu64 ",expires=0,avg_ttl=0\r\n",
                       i->stats.live_keys_estimate);
}

static const struct {
    const char *name; /* as a client asks for it */
    const char *title;
    int (*write)(const struct info *i, struct buf *out);
} sections[] = {
    {"server", "Server", server_section}, {"clients", "Clients", clients_section},
    {"memory", "Memory", memory_section}, {"persistence", "Persistence", persistence_section},
    {"stats", "Stats", stats_section},    {"replication", "Replication", replication_section},
    {"ledger", "Ledger", ledger_section}, {"keyspace", "Keyspace", keyspace_section},
};

static bool is_wanted(const struct resp_run *r, const char *name)
{
    for (size_t i = 1; i < r->arg_count; i++) {
        if (resp_word_is(r->args[i], name) || resp_word_is(r->args[i], "all") ||
            resp_word_is(r->args[i], "everything") || resp_word_is(r->args[i], "default")) {
            return true;
        }
    }
    return r->arg_count == 1;
}

static int write_sections(const struct resp_run *r, const struct info *info, struct buf *out)
{
    int rc = BLOCKDB_OK;

    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]) && rc == BLOCKDB_OK; i++) {
        if (!is_wanted(r, sections[i].name)) {
            continue;
        }
        rc = buf_appendf(out, "%s# %s\r\n", out->len > 0 ? "\r\n" : "", sections[i].title);
        if (rc == BLOCKDB_OK) {
            rc = sections[i].write(info, out);
        }
    }
    return rc;
}

/* INFO [section ...] */
int resp_job_info(struct resp_run *r, struct blockdb *db, struct error *err)
{
    AUTO(buf_deinit) struct buf text = {0};
    const struct resp_worker *w = r->op->worker;
    struct info info = {.db = db, .stats = BLOCKDB_STATS_INIT, .worker = w};
    int rc = blockdb_stats_get(db, &info.stats, err);

    if (rc < 0) {
        return rc;
    }
    info.now_ms = os_now_ms(w->os);
    if (w->server != NULL) {
        info.server = server_stats(w->server);
        info.port = server_resp_port(w->server);
    }
    rc = write_sections(r, &info, &text);
    if (rc < 0) {
        return error_set_no_memory(err);
    }
    resp_write_verbatim(&r->out, buf_slice(&text));
    return BLOCKDB_OK;
}
