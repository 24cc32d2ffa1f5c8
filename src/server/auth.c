/* SPDX-License-Identifier: Apache-2.0 */
#include "server/auth.h"

#include "base/logger.h"
#include "base/mem.h"
#include "crypto/password.h"
#include "crypto/secret.h"
#include "os/os.h"
#include "server/auth_priv.h"
#include "server/role.h"
#include "server/token.h"

#define AREA "auth"
#define NS_PER_MS 1000000ULL
#define TOKEN_FILE_BYTES_MAX 4096
#define GROUP_AND_OTHERS 077
/* Strangers get one turn in so many and one. */
#define FAMILIAR_IN_A_ROW 3

/* ---- Settings ------------------------------------------------------------------------------ */

static void policy_free(void *object)
{
    struct auth_policy *policy = object;

    if (policy != NULL) {
        principal_unref(policy->anonymous);
        principal_unref(policy->bootstrap);
        mem_free(policy);
    }
}

static void policy_free_ptr(struct auth_policy **policy)
{
    policy_free(*policy);
}

static void wipe_buf(struct buf *b)
{
    secret_wipe(b->data, b->cap);
    buf_deinit(b);
}

static int read_anonymous(struct auth_policy *policy, const char *role, struct error *err)
{
    AUTO(role_list_deinit) struct role_list roles = {0};
    int rc;

    if (role[0] == '\0') {
        return BLOCKDB_OK;
    }
    rc = role_list_add(&roles, slice_of_text(role), err);
    if (rc < 0) {
        return error_wrap(err, rc, "security.anonymous_role");
    }
    return role_list_principal(&roles, "anonymous", &policy->anonymous, err);
}

/* The token of the file, without the line feed behind it. */
static int hash_token(struct slice text, const char *path, struct hash *out, struct error *err)
{
    char id[TOKEN_ID_LEN + 1];

    while (text.len > 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r')) {
        text.len--;
    }
    if (token_parse(text, id, out) < 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "'%s', the admin_token_file of [security], does not hold a token: "
                         "blockdb-cli token generate > FILE makes one",
                         path);
    }
    return BLOCKDB_OK;
}

static int read_bootstrap(struct auth_policy *policy, struct os *os, const char *path,
                          struct error *err)
{
    AUTO(wipe_buf) struct buf text = {0};
    const struct principal_grant all = {.rights = RIGHTS_ALL};
    struct os_stat stat;
    int rc;

    if (path[0] == '\0') {
        return BLOCKDB_OK;
    }
    rc = os_stat_path(os, path, &stat, err);
    if (rc < 0) {
        return error_wrap(err, rc, "security.admin_token_file");
    }
    if (!stat.is_own || (stat.mode & GROUP_AND_OTHERS) != 0) {
        return error_set(err, BLOCKDB_EDENIED,
                         "'%s', the admin_token_file of [security], must belong to the user of the "
                         "server and be readable by nobody else: chmod 600 it",
                         path);
    }
    rc = os_read_file(os, path, TOKEN_FILE_BYTES_MAX, &text, err);
    if (rc == BLOCKDB_OK) {
        rc = hash_token(buf_slice(&text), path, &policy->bootstrap_hash, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = principal_new_granted("bootstrap", &all, 1, &policy->bootstrap, err);
    }
    policy->has_bootstrap = rc == BLOCKDB_OK;
    return rc;
}

static int policy_new(struct os *os, const struct auth_settings *settings, struct auth_policy **out,
                      struct error *err)
{
    AUTO(policy_free_ptr) struct auth_policy *policy = mem_calloc(1, sizeof *policy);
    int rc;

    if (policy == NULL) {
        return error_set_no_memory(err);
    }
    policy->enabled = settings->enabled;
    policy->metrics_open = settings->metrics_open;
    policy->health_open = settings->health_open;
    policy->tls_users = settings->tls_users;
    policy->cache_ms = settings->cache_ms;
    rc = read_anonymous(policy, settings->anonymous_role, err);
    if (rc == BLOCKDB_OK) {
        rc = read_bootstrap(policy, os, settings->admin_token_file, err);
    }
    if (rc == BLOCKDB_OK) {
        *out = TAKE(policy);
    }
    return rc;
}

int auth_reload(struct auth *auth, const struct auth_settings *settings, struct error *err)
{
    struct auth_policy *fresh = NULL;
    struct auth_policy *old;
    int rc = policy_new(auth->os, settings, &fresh, err);

    if (rc < 0) {
        return rc;
    }
    old = atomic_exchange_explicit(&auth->policy, fresh, memory_order_acq_rel);
    atomic_fetch_add_explicit(&auth->generation, 1, memory_order_release);
    epoch_retire(auth->epoch, &old->link, old, policy_free);
    if (fresh->cache_ms == 0) {
        auth_cache_clear(auth->cache);
    }
    return BLOCKDB_OK;
}

/* ---- The table ----------------------------------------------------------------------------- */

static void tell_damage(void *context, const char *message)
{
    struct auth *auth = context;

    logger_write(auth->logger, LOGGER_ERROR, AREA,
                 "%s: whom it stands for is refused; set the user or make the token anew", message);
}

/* Puts a table in force; the old one goes when nobody looks at it any more. */
static void publish(struct auth *auth, struct auth_table *fresh)
{
    struct auth_table *old = auth_current_table(auth);

    fresh->generation = atomic_load_explicit(&auth->generation, memory_order_relaxed) + 1;
    auth_table_take_used(fresh, old);
    atomic_store_explicit(&auth->table, fresh, memory_order_release);
    atomic_fetch_add_explicit(&auth->generation, 1, memory_order_release);
    epoch_retire(auth->epoch, &old->link, old, auth_table_free);
}

/* Reads the users again when one changed. The only one who replaces the table, on one thread at a
 * time. */
static int look(struct auth *auth, struct error *err)
{
    struct auth_table *fresh = NULL;
    struct auth_mark mark;
    bool was_away = atomic_load_explicit(&auth->unavailable, memory_order_relaxed);
    uint64_t count = blockdb_seq_count(auth->db);
    int rc = BLOCKDB_OK;

    auth->looked_ns = os_monotonic_ns(auth->os);
    if (count == auth->seen_count && !was_away) {
        return BLOCKDB_OK;
    }
    rc = auth_store_mark(auth->db, &mark, err);
    if (rc == BLOCKDB_OK &&
        (was_away || memcmp(&mark, &auth_current_table(auth)->mark, sizeof mark) != 0)) {
        rc = auth_table_load(auth->db, tell_damage, auth, &fresh, err);
    }
    if (rc < 0) {
        if (!was_away) {
            logger_write(auth->logger, LOGGER_ERROR, AREA,
                         "users and tokens cannot be read, so everybody is refused: %s",
                         err->message);
        }
        atomic_store_explicit(&auth->unavailable, true, memory_order_release);
        atomic_fetch_add_explicit(&auth->generation, 1, memory_order_release);
        return rc;
    }
    if (fresh != NULL) {
        publish(auth, fresh);
    }
    auth->seen_count = count;
    atomic_store_explicit(&auth->unavailable, false, memory_order_release);
    return BLOCKDB_OK;
}

int auth_refresh(struct auth *auth, struct error *err)
{
    uint64_t number;
    int rc;

    mutex_lock(&auth->mu);
    number = ++auth->look_asked;
    cond_signal(&auth->wake);
    while (auth->look_done < number && !auth->stopping) {
        cond_wait(&auth->looked, &auth->mu);
    }
    rc = auth->look_done < number ? BLOCKDB_ECLOSED : auth->look_status;
    if (rc < 0 && err != NULL) {
        *err = auth->look_error;
    }
    mutex_unlock(&auth->mu);
    return rc == BLOCKDB_ECLOSED ? error_set(err, rc, "the server is stopping") : rc;
}

void auth_notice(struct auth *auth)
{
    mutex_lock(&auth->mu);
    auth->look_asked++;
    cond_signal(&auth->wake);
    mutex_unlock(&auth->mu);
}

/* ---- The thread ---------------------------------------------------------------------------- */

bool auth_queue(struct auth *auth, struct auth_job *job)
{
    struct auth_lane *lane;
    bool taken;

    mutex_lock(&auth->mu);
    lane = &auth->lanes[job->is_familiar ? AUTH_FAMILIAR : AUTH_STRANGERS];
    taken = !auth->stopping && lane->waiting < AUTH_QUEUE_MAX;
    if (taken) {
        job->next = NULL;
        if (lane->last != NULL) {
            lane->last->next = job;
        } else {
            lane->first = job;
        }
        lane->last = job;
        lane->waiting++;
        cond_signal(&auth->wake);
    }
    mutex_unlock(&auth->mu);
    return taken;
}

static struct auth_job *lane_pop(struct auth_lane *lane)
{
    struct auth_job *job = lane->first;

    if (job != NULL) {
        lane->first = job->next;
        lane->last = lane->first != NULL ? lane->last : NULL;
        lane->waiting--;
    }
    return job;
}

/* The familiar go first, but for a stranger now and then. */
static struct auth_job *pop_locked(struct auth *auth) REQUIRES(auth->mu)
{
    struct auth_job *job = NULL;

    if (auth->familiar_in_a_row < FAMILIAR_IN_A_ROW || auth->lanes[AUTH_STRANGERS].first == NULL) {
        job = lane_pop(&auth->lanes[AUTH_FAMILIAR]);
    }
    if (job != NULL) {
        auth->familiar_in_a_row++;
        return job;
    }
    auth->familiar_in_a_row = 0;
    return lane_pop(&auth->lanes[AUTH_STRANGERS]);
}

/* Looks at the users for all who asked so far. Called and left with mu held. */
static void look_locked(struct auth *auth) REQUIRES(auth->mu)
{
    uint64_t number = auth->look_asked;
    struct error err = {0};
    int rc;

    mutex_unlock(&auth->mu);
    rc = look(auth, &err);
    mutex_lock(&auth->mu);
    auth->look_done = number;
    auth->look_status = rc;
    auth->look_error = err;
    cond_broadcast(&auth->looked);
}

static void run(void *context)
{
    struct auth *auth = context;

    mutex_lock(&auth->mu);
    while (!auth->stopping) {
        uint64_t age_ms = (os_monotonic_ns(auth->os) - auth->looked_ns) / NS_PER_MS;
        struct auth_job *job;

        if (auth->look_done < auth->look_asked || age_ms >= AUTH_WATCH_MS) {
            look_locked(auth);
            continue;
        }
        job = pop_locked(auth);
        if (job == NULL) {
            (void)cond_wait_for(&auth->wake, &auth->mu, (AUTH_WATCH_MS - age_ms) * NS_PER_MS);
            continue;
        }
        mutex_unlock(&auth->mu);
        auth_verify(auth, job);
        job->done(job);
        mutex_lock(&auth->mu);
    }
    cond_broadcast(&auth->looked);
    mutex_unlock(&auth->mu);
}

/* ---- Start and stop ------------------------------------------------------------------------ */

static bool any_password(const struct auth_table *table)
{
    for (size_t i = 0; i < table->user_count; i++) {
        if (table->users[i].password[0] != '\0') {
            return true;
        }
    }
    return false;
}

static int load_first(struct auth *auth, struct error *err)
{
    struct auth_table *table = NULL;
    struct auth_policy *policy = auth_current_policy(auth);
    int rc = auth_table_load(auth->db, tell_damage, auth, &table, err);

    if (rc < 0) {
        return error_wrap(err, rc, "users and tokens cannot be read");
    }
    table->generation = 1;
    atomic_store_explicit(&auth->generation, 1, memory_order_relaxed);
    atomic_store_explicit(&auth->table, table, memory_order_release);
    auth->looked_ns = os_monotonic_ns(auth->os);
    if (!policy->enabled) {
        return BLOCKDB_OK;
    }
    if (table->user_count + table->token_count == 0 && !policy->has_bootstrap) {
        logger_write(auth->logger, LOGGER_WARNING, AREA,
                     "authentication is on and there is no user: stop the server and add one with "
                     "blockdb-cli --data-dir DIR user add admin --role admin, or name an "
                     "admin_token_file in [security]");
    }
    return any_password(table) ? password_ready(err) : BLOCKDB_OK;
}

int auth_start(const struct auth_options *options, struct auth **out, struct error *err)
{
    AUTO(auth_stop_ptr) struct auth *auth = mem_calloc(1, sizeof *auth);
    struct auth_policy *policy = NULL;
    int rc;

    if (auth == NULL) {
        return error_set_no_memory(err);
    }
    auth->os = options->os;
    auth->db = options->db;
    auth->limit = options->limit;
    auth->audit = options->audit;
    auth->logger = options->logger;
    mutex_init(&auth->mu, LOCK_RANK_AUTH);
    cond_init(&auth->wake);
    cond_init(&auth->looked);
    auth->epoch = epoch_new();
    if (auth->epoch == NULL) {
        return error_set_no_memory(err);
    }
    rc = auth_cache_new(auth->os, &auth->cache, err);
    if (rc == BLOCKDB_OK) {
        rc = auth_cache_new(auth->os, &auth->familiar, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = policy_new(auth->os, &options->settings, &policy, err);
    }
    if (rc == BLOCKDB_OK) {
        atomic_store_explicit(&auth->policy, policy, memory_order_release);
        rc = load_first(auth, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = os_thread_start(auth->os, "auth", run, auth, &auth->thread, err);
    }
    if (rc == BLOCKDB_OK) {
        *out = TAKE(auth);
    }
    return rc;
}

static void drop_jobs(struct auth *auth)
{
    struct auth_job *job;

    while ((job = lane_pop(&auth->lanes[AUTH_FAMILIAR])) != NULL ||
           (job = lane_pop(&auth->lanes[AUTH_STRANGERS])) != NULL) {
        auth_job_forget(job);
        job->verdict = AUTH_BUSY;
        job->wait_ms = AUTH_WATCH_MS;
        job->reason = "the server is stopping";
        job->done(job);
    }
}

void auth_stop(struct auth *auth)
{
    if (auth == NULL) {
        return;
    }
    mutex_lock(&auth->mu);
    auth->stopping = true;
    cond_broadcast(&auth->wake);
    cond_broadcast(&auth->looked);
    mutex_unlock(&auth->mu);
    if (auth->thread != NULL) {
        os_thread_join(auth->os, auth->thread);
    }
    drop_jobs(auth);
    auth_table_free(auth_current_table(auth));
    policy_free(auth_current_policy(auth));
    epoch_free(auth->epoch);
    auth_cache_free(auth->cache);
    auth_cache_free(auth->familiar);
    cond_deinit(&auth->looked);
    cond_deinit(&auth->wake);
    mutex_deinit(&auth->mu);
    mem_free(auth);
}

void auth_stop_ptr(struct auth **auth)
{
    auth_stop(*auth);
}

/* ---- Questions ----------------------------------------------------------------------------- */

bool auth_enabled(const struct auth *auth)
{
    bool enabled;

    epoch_enter(auth->epoch);
    enabled = auth_current_policy(auth)->enabled;
    epoch_leave(auth->epoch);
    return enabled;
}

bool auth_metrics_open(const struct auth *auth)
{
    bool open;

    epoch_enter(auth->epoch);
    open = !auth_current_policy(auth)->enabled || auth_current_policy(auth)->metrics_open;
    epoch_leave(auth->epoch);
    return open;
}

bool auth_health_open(const struct auth *auth)
{
    bool open;

    epoch_enter(auth->epoch);
    open = !auth_current_policy(auth)->enabled || auth_current_policy(auth)->health_open;
    epoch_leave(auth->epoch);
    return open;
}

uint64_t auth_token_last_used(struct auth *auth, struct slice id)
{
    char text[TOKEN_ID_LEN + 1];
    const struct auth_token *token;
    uint64_t used = 0;

    if (!token_id_ok(id)) {
        return 0;
    }
    memcpy(text, id.data, TOKEN_ID_LEN);
    text[TOKEN_ID_LEN] = '\0';
    epoch_enter(auth->epoch);
    token = auth_table_token(auth_current_table(auth), text);
    if (token != NULL) {
        used = atomic_load_explicit(&token->used_ms, memory_order_relaxed);
    }
    epoch_leave(auth->epoch);
    return used;
}

void auth_stats_get(struct auth *auth, struct auth_stats *out)
{
    const struct auth_table *table;

    *out = (struct auth_stats){
        .accepted = atomic_load_explicit(&auth->accepted, memory_order_relaxed),
        .refused = atomic_load_explicit(&auth->refused, memory_order_relaxed),
        .limited = atomic_load_explicit(&auth->limited, memory_order_relaxed),
        .verified = atomic_load_explicit(&auth->verified, memory_order_relaxed),
        .cache_hits = atomic_load_explicit(&auth->cache_hits, memory_order_relaxed),
    };
    epoch_enter(auth->epoch);
    table = auth_current_table(auth);
    out->users = table->user_count;
    out->tokens = table->token_count;
    out->damaged = table->damaged;
    epoch_leave(auth->epoch);
    mutex_lock(&auth->mu);
    out->waiting = auth->lanes[AUTH_STRANGERS].waiting + auth->lanes[AUTH_FAMILIAR].waiting;
    mutex_unlock(&auth->mu);
}
