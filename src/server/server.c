/* SPDX-License-Identifier: Apache-2.0 */
#include "server/server.h"

#include "base/mem.h"
#include "config/config.h"
#include "os/os.h"
#include "server/audit_log.h"
#include "server/auth_metrics.h"
#include "server/cosigner.h"
#include "server/dispatch.h"
#include "server/limit.h"
#include "server/metrics.h"
#include "server/pool.h"
#include "server/server_priv.h"
#include "server/slow_log.h"

#include <blockdb/blockdb.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>

#define WAIT_STEP_NS 2000000ULL
#define NS_PER_MS 1000000ULL
#define WITNESS_INTERVAL_MS 1000
#define MS_PER_S 1000
#define S_PER_HOUR 3600
#define EXPIRY_WARNING_S (14 * 24 * S_PER_HOUR) /* two weeks */
#define FILES_OF_ENGINE_MIN 64                  /* without which a database can hardly open */
#define FILES_OF_ENGINE_USUAL 512               /* tables, segments and logs of a large one */

/* ---- Configuration ------------------------------------------------------------------------- */

/* A loop's share of the memory for requests; two of the largest must fit always. */
static size_t held_max_of(const struct server_config *config)
{
    size_t share = config->request_memory / config->worker_threads;

    return share > 2 * config->max_request_size ? share : 2 * config->max_request_size;
}

struct conn_limits server_conn_limits(const struct server_config *config)
{
    return (struct conn_limits){
        .output_high = config->output_high,
        .output_max = config->output_max,
        .held_max = held_max_of(config),
        .send_timeout_ms = config->send_timeout,
        .handshake_timeout_ms = config->connection_timeout,
    };
}

int server_load_tls(struct os *os, const struct server_config *config, struct tls **out,
                    struct error *err)
{
    const struct tls_options options = {
        .os = os,
        .cert_path = config->tls_cert,
        .key_path = config->tls_key,
        .ca_path = config->tls_ca,
        .client_auth = (enum tls_client_auth)config->tls_client_auth,
    };

    if (config->tls_cert[0] == '\0') {
        *out = NULL;
        return BLOCKDB_OK;
    }
    return tls_new(&options, out, err);
}

bool server_tls_expired(const struct server *s, const struct tls *tls)
{
    return tls_expires(tls) <= (int64_t)(os_now_ms(s->options.os) / MS_PER_S);
}

void server_note_expiry(struct server *s, const struct tls *tls)
{
    const char *path = server_config(s)->tls_cert;
    int64_t end_s = tls != NULL ? tls_expires(tls) : 0;
    int64_t now_s = (int64_t)(os_now_ms(s->options.os) / MS_PER_S);

    atomic_store_explicit(&s->tls_expires, end_s, memory_order_relaxed);
    if (tls == NULL || end_s - now_s > EXPIRY_WARNING_S) {
        return;
    }
    if (server_tls_expired(s, tls)) {
        logger_write(s->options.logger, LOGGER_WARNING, "tls",
                     "certificate '%s' has expired, and most clients refuse it: renew it, then "
                     "send SIGHUP",
                     path);
    } else {
        logger_write(s->options.logger, LOGGER_WARNING, "tls",
                     "certificate '%s' expires in %" PRId64 " hours: renew it, then send SIGHUP",
                     path, (end_s - now_s) / S_PER_HOUR);
    }
}

struct server_config_link *server_config_place(void)
{
    return mem_alloc(sizeof(struct server_config_link));
}

void server_adopt_config(struct server *s, struct server_config_link *place,
                         struct server_config *config)
{
    *place = (struct server_config_link){.before = s->configs, .config = config};
    s->configs = place;
    atomic_store_explicit(&s->team.max_connections, config->max_connections, memory_order_relaxed);
    atomic_store_explicit(&s->config, config, memory_order_release);
}

int server_check_files(const struct server_config *config, struct logger *logger, struct error *err)
{
    rlim_t sockets = (rlim_t)config->max_connections + SERVER_RESERVE;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return error_set_errno(err, errno, "cannot read the limit of open files");
    }
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* what it is then, is checked next */
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur < sockets + FILES_OF_ENGINE_MIN) {
        return error_set(err, BLOCKDB_ELIMIT,
                         "max_connections %u needs %" PRIu64
                         " open files, but this process may open only %" PRIu64
                         ": raise the limit (LimitNOFILE=, ulimit -n) or lower max_connections",
                         config->max_connections, (uint64_t)(sockets + FILES_OF_ENGINE_MIN),
                         (uint64_t)limit.rlim_cur);
    }
    if (limit.rlim_cur < sockets + FILES_OF_ENGINE_USUAL) {
        logger_write(logger, LOGGER_WARNING, "server",
                     "max_connections (%u) leaves few of the %" PRIu64
                     " files this process may open to the database: raise LimitNOFILE to %" PRIu64
                     " or more",
                     config->max_connections, (uint64_t)limit.rlim_cur,
                     (uint64_t)(sockets + FILES_OF_ENGINE_USUAL));
    }
    return BLOCKDB_OK;
}

/* ---- Parts --------------------------------------------------------------------------------- */

static int make_pool(struct server *s, const struct server_config *config, struct error *err)
{
    const struct pool_options options = {
        .os = s->options.os,
        .threads = {config->pool_threads[POOL_READ], config->pool_threads[POOL_LONG]},
        .queue_max = {config->pool_queue, config->pool_queue},
    };

    return pool_new(&options, &s->pool, err);
}

static int make_security(struct server *s, struct error *err)
{
    struct auth_config read;
    struct auth_options options = {.os = s->options.os, .db = s->options.db};
    int rc = auth_config_read(s->options.config, &read, err);

    if (rc == BLOCKDB_OK) {
        rc = audit_log_new(s->options.os, read.audit_log_file, s->options.logger, &s->audit, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = limit_new(s->options.os, &read.rates, 0, &s->limit, err);
    }
    if (rc < 0) {
        return rc;
    }
    options.limit = s->limit;
    options.audit = s->audit;
    options.logger = s->options.logger;
    options.settings = read.auth;
    return auth_start(&options, &s->auth, err);
}

static int make_figures(struct server *s, struct error *err)
{
    uint64_t slow_ms = config_number(s->options.config, "logging.slow_request");

    if (metrics_new(&s->metrics) < 0 ||
        slow_log_new(s->options.os, s->options.logger, slow_ms, &s->slow_log) < 0) {
        return error_set_no_memory(err);
    }
    metrics_register_process(s->metrics);
    metrics_register_engine(s->metrics, s->options.db);
    server_register_metrics(s);
    auth_register_metrics(s->metrics, s);
    return BLOCKDB_OK;
}

static int make_cosigner(struct server *s, struct error *err)
{
    const struct cosigner_options options = {
        .os = s->options.os,
        .db = s->options.db,
        .logger = s->options.logger,
        .policy_path = config_get(s->options.config, "ledger.witness_policy_file"),
        .interval_ms = WITNESS_INTERVAL_MS,
    };

    if (options.policy_path == NULL || options.policy_path[0] == '\0') {
        return BLOCKDB_OK;
    }
    return cosigner_new(&options, &s->cosigner, err);
}

static int make_parts(struct server *s, const struct server_config *config, struct error *err)
{
    struct dispatch_options dispatch = {.db = s->options.db, .os = s->options.os};
    int rc = server_load_tls(s->options.os, config, &s->tls, err);

    if (rc == BLOCKDB_OK) {
        server_note_expiry(s, s->tls);
    }
    if (rc == BLOCKDB_OK) {
        rc = make_pool(s, config, err);
    }
    if (rc == BLOCKDB_OK) {
        dispatch.pool = s->pool;
        rc = dispatch_new(&dispatch, &s->dispatch);
        rc = rc < 0 ? error_set_no_memory(err) : rc;
    }
    if (rc == BLOCKDB_OK) {
        rc = make_security(s, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = make_figures(s, err);
    }
    return rc == BLOCKDB_OK ? make_cosigner(s, err) : rc;
}

static int make_config(struct server *s, struct error *err)
{
    struct server_config *config;
    struct server_config_link *place;
    int rc = server_config_new(s->options.config, &config, err);

    if (rc < 0) {
        return rc;
    }
    place = server_config_place();
    if (place == NULL) {
        server_config_free(config);
        return error_set_no_memory(err);
    }
    server_adopt_config(s, place, config);
    return server_check_files(config, s->options.logger, err);
}

int server_new(const struct server_options *options, struct server **out, struct error *err)
{
    struct server *s = mem_calloc(1, sizeof(*s));
    int rc;

    if (s == NULL) {
        return error_set_no_memory(err);
    }
    s->options = *options;
    s->team.os = options->os;
    s->team.server = s;
    s->team.logger = options->logger;
    rc = make_config(s, err);
    if (rc == BLOCKDB_OK) {
        rc = make_parts(s, server_config(s), err);
    }
    if (rc < 0) {
        server_free(s);
        return rc;
    }
    *out = s;
    return BLOCKDB_OK;
}

/* ---- Start and stop ------------------------------------------------------------------------ */

static int start_workers(struct server *s, struct error *err)
{
    unsigned i;
    int rc;

    for (i = 0; i < s->team.worker_count; i++) {
        rc = worker_start(s->team.workers[i], err);
        if (rc < 0) {
            return rc;
        }
    }
    return BLOCKDB_OK;
}

int server_start(struct server *s, struct error *err)
{
    const struct server_config *config = server_config(s);
    const struct conn_limits limits = server_conn_limits(config);
    int rc = BLOCKDB_OK;

    s->started_ms = os_now_ms(s->options.os); /* before anybody can ask */
    while (rc == BLOCKDB_OK && s->team.worker_count < config->worker_threads) {
        rc = worker_new(&s->team, &limits, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = server_listen(s, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = start_workers(s, err);
    }
    if (rc < 0) {
        server_stop(s, 0);
        return rc;
    }
    if (server_exposure(s) != NULL) {
        logger_write(s->options.logger, LOGGER_WARNING, "server", "%s", server_exposure(s));
    }
    atomic_store_explicit(&s->phase, SERVER_READY, memory_order_relaxed);
    return BLOCKDB_OK;
}

static void each_worker(struct server *s, void (*run)(struct worker *worker))
{
    unsigned i;

    for (i = 0; i < s->team.worker_count; i++) {
        run(s->team.workers[i]);
    }
}

void server_drain(struct server *s)
{
    atomic_store_explicit(&s->phase, SERVER_DRAINING, memory_order_relaxed);
    cosigner_stop_soon(s->cosigner);
    each_worker(s, worker_drain);
}

void server_stop_now(struct server *s)
{
    atomic_store_explicit(&s->stop_now, true, memory_order_relaxed);
}

static unsigned open_connections(const struct server *s)
{
    unsigned count = 0;
    unsigned i;

    for (i = 0; i < s->team.worker_count; i++) {
        count += conn_group_count(worker_group(s->team.workers[i]));
    }
    return count;
}

/* Waits until all connections have ended, the time is over, or patience is. */
static void wait_for_connections(struct server *s, uint64_t timeout_ms)
{
    struct os *os = s->options.os;
    uint64_t end_ns = os_monotonic_ns(os) + timeout_ms * NS_PER_MS;

    while (open_connections(s) > 0 && os_monotonic_ns(os) < end_ns &&
           !atomic_load_explicit(&s->stop_now, memory_order_relaxed)) {
        os_sleep_ns(os, WAIT_STEP_NS);
    }
}

/* Waits until the connections that were cut are closed, and for what was begun and cannot be taken
 * back: calls that the engine or the pool answers. */
static void wait_for_the_end(struct server *s)
{
    while (open_connections(s) > 0 || (s->dispatch != NULL && dispatch_pending(s->dispatch) > 0)) {
        os_sleep_ns(s->options.os, WAIT_STEP_NS);
    }
}

void server_finish(struct server *s)
{
    atomic_store_explicit(&s->phase, SERVER_DRAINING, memory_order_relaxed);
    each_worker(s, worker_close_listeners);
    each_worker(s, worker_finish);
}

void server_stop(struct server *s, uint64_t timeout_ms)
{
    if (server_phase(s) == SERVER_STOPPED) {
        return;
    }
    server_finish(s);
    wait_for_connections(s, timeout_ms);
    each_worker(s, worker_abort);
    wait_for_the_end(s);
    if (s->auth != NULL) {
        auth_stop(s->auth); /* its last answers go to the loops, which still run */
        s->auth = NULL;
    }
    if (s->pool != NULL) {
        pool_stop(s->pool);
    }
    each_worker(s, worker_stop);
    cosigner_free(s->cosigner);
    s->cosigner = NULL;
    if (s->is_listening && server_config(s)->unix_socket[0] != '\0') {
        listener_remove_unix(server_config(s)->unix_socket);
    }
    atomic_store_explicit(&s->phase, SERVER_STOPPED, memory_order_relaxed);
}

void server_free(struct server *s)
{
    if (s == NULL) {
        return;
    }
    server_stop(s, 0);
    while (s->team.worker_count > 0) {
        worker_free(s->team.workers[--s->team.worker_count]);
    }
    slow_log_free(s->slow_log);
    metrics_free(s->metrics);
    limit_free(s->limit);
    audit_log_free(s->audit);
    dispatch_free(s->dispatch);
    pool_free(s->pool);
    tls_unref(s->tls);
    while (s->configs != NULL) {
        struct server_config_link *link = s->configs;

        s->configs = link->before;
        server_config_free(link->config);
        mem_free(link);
    }
    mem_free(s);
}

/* ---- Parts and figures --------------------------------------------------------------------- */

const struct server_config *server_config(const struct server *s)
{
    return atomic_load_explicit(&s->config, memory_order_acquire);
}

enum server_phase server_phase(const struct server *s)
{
    return (enum server_phase)atomic_load_explicit(&s->phase, memory_order_relaxed);
}

struct blockdb *server_db(const struct server *s)
{
    return s->options.db;
}

struct dispatch *server_dispatch(const struct server *s)
{
    return s->dispatch;
}

struct pool *server_pool(const struct server *s)
{
    return s->pool;
}

const char *server_exposure(const struct server *s)
{
    /* A reload replaces the context; whether there is one, never changes. */
    bool has_tls = atomic_load_explicit(&s->tls_expires, memory_order_relaxed) != 0;

    return auth_exposure_warning(auth_enabled(s->auth), !s->has_beyond_loopback, has_tls);
}

struct auth *server_auth(const struct server *s)
{
    return s->auth;
}

struct limit *server_limit(const struct server *s)
{
    return s->limit;
}

struct audit_log *server_audit(const struct server *s)
{
    return s->audit;
}

struct metrics *server_metrics(const struct server *s)
{
    return s->metrics;
}

struct slow_log *server_slow_log(const struct server *s)
{
    return s->slow_log;
}

struct cosigner *server_cosigner(const struct server *s)
{
    return s->cosigner;
}

struct logger *server_logger(const struct server *s)
{
    return s->options.logger;
}

struct os *server_os(const struct server *s)
{
    return s->options.os;
}

unsigned server_loop_count(const struct server *s)
{
    return s->team.worker_count;
}

struct loop *server_loop(const struct server *s, unsigned index)
{
    return worker_loop(s->team.workers[index]);
}

const char *server_address(const struct server *s, size_t index)
{
    return index < s->address_count ? s->addresses[index] : NULL;
}

uint16_t server_http_port(const struct server *s)
{
    return s->http_port;
}

uint16_t server_resp_port(const struct server *s)
{
    return s->resp_port;
}

struct server_stats server_stats(const struct server *s)
{
    struct server_stats stats = {
        .started_ms = s->started_ms,
        .connections = open_connections(s),
        .connections_moved = atomic_load_explicit(&s->team.moved, memory_order_relaxed),
        .accept_errors = atomic_load_explicit(&s->team.accept_errors, memory_order_relaxed),
    };
    unsigned i;

    for (i = 0; i < s->team.worker_count; i++) {
        struct conn_figures figures = conn_group_figures(worker_group(s->team.workers[i]));

        stats.connections_accepted += figures.accepted;
        stats.connections_refused += figures.refused;
        stats.connections_cut += figures.cut;
        stats.tls_failures += figures.tls_failures;
        stats.received_bytes += figures.received_bytes;
        stats.sent_bytes += figures.sent_bytes;
    }
    return stats;
}
