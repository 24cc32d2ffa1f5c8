/* SPDX-License-Identifier: Apache-2.0 */
#include "server/auth_metrics.h"

#include "server/audit_log.h"
#include "server/auth.h"
#include "server/metrics.h"
#include "server/server.h"

static void write_attempts(struct metrics_writer *w, const struct auth_stats *stats)
{
    const struct {
        const char *outcome;
        uint64_t count;
    } attempts[] = {
        {"accepted", stats->accepted}, {"refused", stats->refused}, {"limited", stats->limited}};

    metrics_family(w, METRICS_COUNTER, "blockdb_auth_attempts_total",
                   "Credentials that clients showed, by what became of them.");
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        const struct metrics_labels labels = {{{"outcome", attempts[i].outcome}}};

        metrics_u64(w, &labels, attempts[i].count);
    }
}

static void write_auth(struct metrics_writer *w, const struct auth_stats *stats)
{
    write_attempts(w, stats);
    metrics_counter(w, "blockdb_auth_passwords_verified_total",
                    "Passwords that were hashed to be compared.", stats->verified);
    metrics_counter(w, "blockdb_auth_passwords_remembered_total",
                    "Passwords that had been verified a moment ago.", stats->cache_hits);
    metrics_gauge(w, "blockdb_auth_passwords_waiting", "Passwords that wait to be verified.",
                  stats->waiting);
    metrics_gauge(w, "blockdb_auth_users", "Users.", stats->users);
    metrics_gauge(w, "blockdb_auth_tokens", "Tokens.", stats->tokens);
    metrics_gauge(w, "blockdb_auth_damaged_records",
                  "Records of users and tokens that cannot be read, whose owners are refused.",
                  stats->damaged);
}

static void write_security(void *arg, struct metrics_writer *w)
{
    struct server *server = arg;
    struct auth_stats stats;

    auth_stats_get(server_auth(server), &stats);
    write_auth(w, &stats);
    metrics_counter(w, "blockdb_audit_lines_lost_total",
                    "Lines of the audit log that could not be written.",
                    audit_log_lost(server_audit(server)));
    metrics_gauge(w, "blockdb_unsafe_setting",
                  "1: others can reach the server without authentication, or without TLS.",
                  server_exposure(server) != NULL);
}

void auth_register_metrics(struct metrics *m, struct server *server)
{
    metrics_register(m, write_security, server);
}
