/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libblockdb-client: a BlockDB server as a C program sees it, over its HTTP API.
 *
 * A `struct blockdb_client` is a pool of connections to one server, or to the nodes of one cluster.
 * Its calls are those of blockdb/blockdb.h with a client in place of a database, and take the same
 * structs, so that a program can move from one to the other. (Only types of that header are used
 * here; a program links -lblockdb-client alone. `view` must be NULL in all options.)
 *
 *     struct blockdb_client_options options = BLOCKDB_CLIENT_OPTIONS_INIT;
 *     options.urls = "http://127.0.0.1:8080";
 *     if (blockdb_client_new(&options, &client, &err) == 0) {
 *         rc = blockdb_client_put(client, "k", 1, "v", 1, NULL, NULL, &err);
 *
 * CLIENT-1  A write is never appended twice by a retry. Each carries a client id and a number, the
 *           same ones each time it is sent; the server answers a repeat with the first answer.
 * CLIENT-2  What is sent again: what certainly did not arrive, what may arrive twice (reads, and
 *           writes by CLIENT-1), and what was refused for now (503, 429). A conflict, a refusal or
 *           a mistake is never sent again.
 * CLIENT-3  A call ends within `request_timeout_ms` (what takes long: `long_timeout_ms`) for each
 *           attempt and what lies between them; waiting for a connection has the same limit once.
 *           Only the lookup of a host's name may take longer, as long as the system's resolver
 * does. CLIENT-4  No answer takes more memory than `answer_bytes_max` and a small fixed amount.
 *
 * Retries wait retry_delay_ms, twice that, and so on up to retry_delay_max_ms, each shortened at
 * random by up to a half; a server's Retry-After is obeyed when it is longer (up to the time that
 * the call has). With several URLs each attempt goes to the next; a node that names its leader is
 * followed at once, and the leader is remembered.
 *
 * Errors:    each function returns 0 or a negative enum blockdb_status; err, where there is one,
 *            receives a message and may be NULL. On failure outputs are untouched. Beside what is
 *            said at each function:
 *                BLOCKDB_EIO           no connection, or a broken or senseless answer
 *                BLOCKDB_ETIMEDOUT     no answer, or no free connection, within the time limit
 *                BLOCKDB_EBUSY         the server refused for now, also after all retries
 *                BLOCKDB_EDENIED       credentials are missing, wrong, or not enough
 *                BLOCKDB_EREADONLY     the server does not accept writes
 *                BLOCKDB_ELIMIT        a limit of the server, or answer_bytes_max
 *                BLOCKDB_EUNSUPPORTED  https without OpenSSL's libssl, or a server that cannot
 *                BLOCKDB_ETAMPERED     the server's evidence is wrong (verified reads)
 * Threads:   a client may be used by any number of threads; a call takes one connection of the pool
 *            for its duration. Batches, iterators, histories and watches belong to one thread at a
 *            time. A client must not be used in a child made by fork().
 * Ownership: inputs are borrowed for the call unless said otherwise.
 * Structs that carry a `size` field: set it to sizeof the struct; the INIT macros do. Later
 * versions only append fields, so that programs built against an older header keep working.
 */
#ifndef BLOCKDB_CLIENT_H
#define BLOCKDB_CLIENT_H

#include <blockdb/blockdb.h>
#include <blockdb/evidence.h>
#include <blockdb/status.h>
#include <blockdb/types.h>
#include <blockdb/verify.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default) /* all that follows is public */

struct blockdb_client;
struct blockdb_client_batch;
struct blockdb_client_iter;
struct blockdb_client_history;
struct blockdb_client_watch;
struct blockdb_client_queue;

/* ---- Clients ------------------------------------------------------------------------------- */

#define BLOCKDB_CLIENT_URLS_MAX 16
#define BLOCKDB_CLIENT_CONNECTIONS_MAX 1024

/* Everything is copied by blockdb_client_new(); secrets are wiped when the client is freed. */
struct blockdb_client_options {
    size_t size;
    /* http:// or https:// URLs of one server or the nodes of one cluster, separated by commas, at
     * most BLOCKDB_CLIENT_URLS_MAX. A path is put before each request's. NULL:
     * http://127.0.0.1:8080. */
    const char *urls;

    unsigned max_connections;       /* open at the same time; further calls wait */
    uint32_t connection_timeout_ms; /* to connect, TLS included */
    uint32_t idle_timeout_ms;       /* an unused connection is closed after it; 0: each is used
                                       once */
    unsigned retry_attempts;        /* after the first; 0: never */
    uint32_t retry_delay_ms;        /* before the first retry */
    uint32_t retry_delay_max_ms;    /* between retries */
    uint32_t request_timeout_ms;    /* of one attempt, from its first to its last byte */
    size_t answer_bytes_max;        /* of one answer's body */

    /* Credentials: a token, or a user with a password; of each, the text or a file that holds it
     * (its first line). Nobody but the owner may read such a file. */
    const char *token;
    const char *token_file;
    const char *user;
    const char *password;
    const char *password_file;

    /* For https. PEM files; NULL: the system's certificates, and none of our own. */
    const char *ca_file;
    const char *cert_file;
    const char *key_file;
    bool insecure; /* accept any certificate: for tests */

    /* BLOCKDB_CLIENT_ID_LEN random bytes, borrowed for the call; NULL: made by the library. No two
     * clients may share one: connection i of the pool numbers its writes under this id with its
     * last two bytes replaced by i (big-endian). */
    const uint8_t *client_id;
    const char *user_agent; /* NULL: "libblockdb-client/VERSION" */

    /* Of one attempt at what takes as long as it takes, and gives no sign of life meanwhile:
     * redact, compact, flush, and the signing of a head. It is not sent again after that. A server
     * that is gone without a word is noticed within some 90 s all the same. */
    uint32_t long_timeout_ms;
};
#define BLOCKDB_CLIENT_OPTIONS_INIT                                                                \
    {                                                                                              \
        .size = sizeof(struct blockdb_client_options), .max_connections = 20,                      \
        .connection_timeout_ms = 5000, .idle_timeout_ms = 300000, .retry_attempts = 3,             \
        .retry_delay_ms = 100, .retry_delay_max_ms = 5000, .request_timeout_ms = 30000,            \
        .answer_bytes_max = 64u * 1024 * 1024, .long_timeout_ms = 3600000                          \
    }

/* Makes a client; nothing is connected before the first call. options may be NULL. EINVAL: a URL,
 * a number or a combination that cannot be; EDENIED: others may read a file of secrets; and what
 * reading files gives. */
int blockdb_client_new(const struct blockdb_client_options *options,
                       struct blockdb_client **out_client, struct blockdb_error *err);
/* Closes all connections and frees client. No call may be running; queues, iterators, histories
 * and watches must have been freed. NULL is fine. */
void blockdb_client_free(struct blockdb_client *client);

/* Frees the memory of a value that a function of this header filled, and empties it. */
void blockdb_client_value_deinit(struct blockdb_value *value);

struct blockdb_client_figures {
    size_t size;
    uint64_t requests;    /* sent, retries included */
    uint64_t retries;     /* sent again */
    uint64_t redirects;   /* answered by naming another node */
    uint64_t connects;    /* connections made */
    uint64_t connections; /* open now */
    uint64_t in_use;      /* of these, by a call */
    uint64_t failures;    /* calls that the server answered with a failure of its own: BLOCKDB_EIO
                             without one is a connection that is not there or broke */
};
/* Counters of this client, for monitoring. */
void blockdb_client_figures_get(struct blockdb_client *client,
                                struct blockdb_client_figures *out_figures);

/* ---- Writing ------------------------------------------------------------------------------- */

/* As blockdb_put() and blockdb_delete(). options (may be NULL) may give a client id and number of
 * the caller's own; then the caller sees to it that numbers of one id grow and do not overlap.
 * ECONFLICT: the database is write-once and key exists. ELIMIT: key or value is too long. */
int blockdb_client_put(struct blockdb_client *client, const void *key, size_t key_len,
                       const void *value, size_t value_len,
                       const struct blockdb_write_options *options,
                       struct blockdb_write_result *out_result, struct blockdb_error *err);
/* The same, but ECONFLICT, and nothing is written, when key has a value. */
int blockdb_client_put_if_absent(struct blockdb_client *client, const void *key, size_t key_len,
                                 const void *value, size_t value_len,
                                 const struct blockdb_write_options *options,
                                 struct blockdb_write_result *out_result,
                                 struct blockdb_error *err);
int blockdb_client_delete(struct blockdb_client *client, const void *key, size_t key_len,
                          const struct blockdb_write_options *options,
                          struct blockdb_write_result *out_result, struct blockdb_error *err);

struct blockdb_client_pair {
    const void *key;
    size_t key_len;
    const void *value;
    size_t value_len;
};
/* Puts count pairs, together or not at all. ELIMIT: more than one batch may hold (see
 * blockdb_client_batch_bytes()). */
int blockdb_client_batch_put(struct blockdb_client *client, const struct blockdb_client_pair *pairs,
                             size_t count, const struct blockdb_write_options *options,
                             struct blockdb_write_result *out_result, struct blockdb_error *err);

/* A batch collects puts, deletes and conditions; all copy their bytes. As the functions of the same
 * names in blockdb/blockdb.h. NULL when out of memory. */
struct blockdb_client_batch *blockdb_client_batch_new(void);
void blockdb_client_batch_free(struct blockdb_client_batch *batch);
void blockdb_client_batch_reset(struct blockdb_client_batch *batch);
int blockdb_client_batch_add_put(struct blockdb_client_batch *batch, const void *key,
                                 size_t key_len, const void *value, size_t value_len,
                                 struct blockdb_error *err);
int blockdb_client_batch_add_delete(struct blockdb_client_batch *batch, const void *key,
                                    size_t key_len, struct blockdb_error *err);
int blockdb_client_batch_require_absent(struct blockdb_client_batch *batch, const void *key,
                                        size_t key_len, struct blockdb_error *err);
int blockdb_client_batch_require_seq(struct blockdb_client_batch *batch, const void *key,
                                     size_t key_len, uint64_t seq, struct blockdb_error *err);
size_t blockdb_client_batch_count(const struct blockdb_client_batch *batch); /* puts and deletes */
/* The length of the request. A server takes `max_request_size`, 16 MiB by default. */
size_t blockdb_client_batch_bytes(const struct blockdb_client_batch *batch);
/* As blockdb_write(): together or not at all. The batch keeps its content. ECONFLICT. */
int blockdb_client_write(struct blockdb_client *client, struct blockdb_client_batch *batch,
                         const struct blockdb_write_options *options,
                         struct blockdb_write_result *out_result, struct blockdb_error *err);

/* ---- Reading ------------------------------------------------------------------------------- */

/* As blockdb_get(): ENOTFOUND (value->version tells the deletion, if the server did), EREDACTED. */
int blockdb_client_get(struct blockdb_client *client, const void *key, size_t key_len,
                       const struct blockdb_read_options *options, struct blockdb_value *value,
                       struct blockdb_error *err);
/* The same as of a time: ENOTFOUND also before the first entry. */
int blockdb_client_get_as_of(struct blockdb_client *client, const void *key, size_t key_len,
                             uint64_t time_ms, struct blockdb_value *value,
                             struct blockdb_error *err);
/* As blockdb_get_entry(). */
int blockdb_client_get_entry(struct blockdb_client *client, uint64_t seq, struct blockdb_value *key,
                             struct blockdb_value *value, struct blockdb_error *err);
/* As blockdb_seq_at_time(). */
int blockdb_client_seq_at_time(struct blockdb_client *client, uint64_t time_ms, uint64_t *out_seq,
                               struct blockdb_error *err);

/* As the iterators and histories of blockdb/blockdb.h. They fetch page after page, each with a
 * request of its own; all pages of an iterator are as of the same seq. prefix, start and end are
 * copied. */
int blockdb_client_iter_new(struct blockdb_client *client,
                            const struct blockdb_scan_options *options,
                            struct blockdb_client_iter **out_iter, struct blockdb_error *err);
int blockdb_client_iter_next(struct blockdb_client_iter *iter, struct blockdb_error *err);
const void *blockdb_client_iter_key(const struct blockdb_client_iter *iter, size_t *out_len);
const void *blockdb_client_iter_value(const struct blockdb_client_iter *iter, size_t *out_len);
struct blockdb_version_info blockdb_client_iter_version(const struct blockdb_client_iter *iter);
/* Asks for pages of at most so many entries, up to 10000 (0: 1000). Before the first next. */
void blockdb_client_iter_set_page(struct blockdb_client_iter *iter, unsigned entries);
void blockdb_client_iter_free(struct blockdb_client_iter *iter);

int blockdb_client_history_new(struct blockdb_client *client, const void *key, size_t key_len,
                               const struct blockdb_history_options *options,
                               struct blockdb_client_history **out_history,
                               struct blockdb_error *err);
int blockdb_client_history_next(struct blockdb_client_history *history, struct blockdb_error *err);
struct blockdb_version_info blockdb_client_history_version(
    const struct blockdb_client_history *history);
const void *blockdb_client_history_value(const struct blockdb_client_history *history,
                                         size_t *out_len);
void blockdb_client_history_set_page(struct blockdb_client_history *history, unsigned versions);
void blockdb_client_history_free(struct blockdb_client_history *history);

/* ---- Watching ------------------------------------------------------------------------------ */

struct blockdb_client_watch_options {
    size_t size;
    const void *prefix; /* only keys with this prefix; copied */
    size_t prefix_len;
    uint64_t from_seq; /* the first entry wanted; BLOCKDB_SEQ_NONE: what comes from now on */
};
#define BLOCKDB_CLIENT_WATCH_OPTIONS_INIT                                                          \
    {                                                                                              \
        .size = sizeof(struct blockdb_client_watch_options), .from_seq = BLOCKDB_SEQ_NONE          \
    }
/* One entry, in the order of seqs. key and value are borrowed until the next call. */
struct blockdb_client_event {
    const void *key;
    size_t key_len;
    const void *value;
    size_t value_len;
    struct blockdb_version_info version;
};

/* Watches new entries. It has a connection of its own, outside of the pool, and goes on where it
 * was when that breaks. options may be NULL. */
int blockdb_client_watch_new(struct blockdb_client *client,
                             const struct blockdb_client_watch_options *options,
                             struct blockdb_client_watch **out_watch, struct blockdb_error *err);
/* Waits for the next entry, at most timeout_ms. ETIMEDOUT: none came; call again. Other errors:
 * the server could not be reached, also after retries; calling again tries again. */
int blockdb_client_watch_next(struct blockdb_client_watch *watch, uint32_t timeout_ms,
                              struct blockdb_client_event *out_event, struct blockdb_error *err);
/* The seq from which a later watch goes on; BLOCKDB_SEQ_NONE before the server told one. */
uint64_t blockdb_client_watch_position(const struct blockdb_client_watch *watch);
void blockdb_client_watch_free(struct blockdb_client_watch *watch);

/* ---- Evidence ------------------------------------------------------------------------------ */

/* As the functions without `client` in blockdb/blockdb.h and blockdb/evidence.h. What they return
 * is the server's claim; blockdb/verify.h checks it. */
int blockdb_client_block_get(struct blockdb_client *client, uint64_t height,
                             struct blockdb_block *out_block, struct blockdb_error *err);
int blockdb_client_head_get(struct blockdb_client *client, struct blockdb_head *out_head,
                            struct blockdb_error *err);
int blockdb_client_checkpoint_get(struct blockdb_client *client, struct blockdb_value *out_note,
                                  struct blockdb_error *err);
int blockdb_client_checkpoint_sign(struct blockdb_client *client, struct blockdb_value *out_note,
                                   struct blockdb_error *err);
int blockdb_client_tile_read(struct blockdb_client *client, unsigned level, uint64_t index,
                             unsigned width, uint8_t *out, struct blockdb_error *err);
int blockdb_client_bundle_read(struct blockdb_client *client, uint64_t index, unsigned width,
                               struct blockdb_value *out_bundle, struct blockdb_error *err);
int blockdb_client_prove_inclusion(struct blockdb_client *client, uint64_t seq, uint64_t size,
                                   struct blockdb_proof *out_proof, struct blockdb_error *err);
int blockdb_client_prove_consistency(struct blockdb_client *client, uint64_t old_size,
                                     uint64_t new_size, struct blockdb_proof *out_proof,
                                     struct blockdb_error *err);
int blockdb_client_prove_entry(struct blockdb_client *client, uint64_t seq,
                               const struct blockdb_prove_options *options,
                               struct blockdb_value *out_file, struct blockdb_error *err);
int blockdb_client_prove_key(struct blockdb_client *client, const void *key, size_t key_len,
                             const struct blockdb_prove_options *options,
                             struct blockdb_value *out_file, struct blockdb_error *err);

/* A head that the caller keeps, between calls and between runs: all later heads must continue it.
 * A zeroed one accepts the first head that is signed as trust demands. */
struct blockdb_client_pin {
    uint64_t tree_size;
    uint8_t root[BLOCKDB_HASH_LEN];
};

/* Fetches the newest signed head, with a policy in trust the newest that the server's witnesses
 * have cosigned, and proves that it is signed as trust demands and continues *pin, which it then
 * replaces. ETAMPERED: it does not; *pin is untouched. So pins of different trust are kept apart.
 */
int blockdb_client_pin_advance(struct blockdb_client *client, const struct blockdb_trust *trust,
                               struct blockdb_client_pin *pin, struct blockdb_error *err);

struct blockdb_client_verified_options {
    size_t size;
    const struct blockdb_trust *trust; /* whose signatures count; borrowed */
    struct blockdb_client_pin *pin; /* replaced by the newer head when all is proven; NULL: none */
    uint64_t at_seq;                /* read entry at_seq's state; BLOCKDB_SEQ_NONE: newest */
    /* Demand proof that it is the newest version (or that there is none: then ENOTFOUND is proven).
     * Needs the server's option proof_map. Otherwise a server could answer with an older version;
     * it cannot answer with anything that was never written. */
    bool newest;
};
#define BLOCKDB_CLIENT_VERIFIED_OPTIONS_INIT                                                       \
    {                                                                                              \
        .size = sizeof(struct blockdb_client_verified_options), .at_seq = BLOCKDB_SEQ_NONE         \
    }
/* Reads key with the proof of what was read, and checks all of it: the entry is in a tree whose
 * head is signed as trust demands, that head continues *pin, and the value is the entry's. Signs
 * what is not under a head yet. ETAMPERED: something does not hold; value is empty then. ENOTFOUND,
 * EREDACTED: as blockdb_client_get(). */
int blockdb_client_get_verified(struct blockdb_client *client, const void *key, size_t key_len,
                                const struct blockdb_client_verified_options *options,
                                struct blockdb_value *value, struct blockdb_error *err);

/* ---- Values larger than a request ---------------------------------------------------------- */

#define BLOCKDB_CLIENT_CHUNK_BYTES (1u * 1024 * 1024)

/* Gives the next at most cap bytes; *out_len 0 at the end. A return other than 0 stops. */
typedef int (*blockdb_client_source_fn)(void *arg, void *out, size_t cap, size_t *out_len);
/* Takes the next bytes. A return other than 0 stops. */
typedef int (*blockdb_client_sink_fn)(void *arg, const void *data, size_t len);

/* Splits what source gives into chunks of at most chunk_bytes (0: BLOCKDB_CLIENT_CHUNK_BYTES), each
 * an entry of its own, and then puts a manifest with their hashes under key
 * (docs/format/chunks.md). A reader sees the old value or the new one, never a part. After a
 * failure chunks without a manifest may be left; they are never read. The result is the
 * manifest's. */
int blockdb_client_put_large(struct blockdb_client *client, const void *key, size_t key_len,
                             blockdb_client_source_fn source, void *arg, size_t chunk_bytes,
                             struct blockdb_write_result *out_result, struct blockdb_error *err);
/* Reads such a value back; each chunk is compared with its hash before sink has it. ETAMPERED: one
 * does not match. EFOREIGN: the value of key is no manifest. ENOTFOUND. */
int blockdb_client_get_large(struct blockdb_client *client, const void *key, size_t key_len,
                             blockdb_client_sink_fn sink, void *arg, uint64_t *out_bytes,
                             struct blockdb_error *err);

/* ---- Administration ------------------------------------------------------------------------ */

/* As the functions without `client` in blockdb/blockdb.h and blockdb/evidence.h. verify, backup and
 * compact_job are jobs of the server, which are asked how far they are, so they may take any time;
 * a progress function that returns false stops the asking, and the job (ECANCELED). redact, flush
 * and compact with `wait` are one request each, without progress, and have long_timeout_ms; after
 * ETIMEDOUT the server goes on with what it was told. Jobs that their caller can leave, a redaction
 * among them, are below. */
int blockdb_client_redact(struct blockdb_client *client, const void *key, size_t key_len,
                          uint64_t seq, const struct blockdb_redact_options *options,
                          struct blockdb_write_result *out_result, struct blockdb_error *err);
int blockdb_client_redact_many(struct blockdb_client *client,
                               const struct blockdb_redact_target *targets, size_t count,
                               const struct blockdb_redact_options *options,
                               struct blockdb_write_result *out_result, struct blockdb_error *err);
int blockdb_client_verify(struct blockdb_client *client,
                          const struct blockdb_verify_options *options,
                          struct blockdb_verify_report *out_report, struct blockdb_error *err);
int blockdb_client_flush(struct blockdb_client *client, struct blockdb_error *err);
int blockdb_client_compact(struct blockdb_client *client, bool wait, struct blockdb_error *err);
/* Merges as far as something is gained. A compaction that is under way already is waited for, and
 * not stopped by the progress function, which may be NULL. */
int blockdb_client_compact_job(struct blockdb_client *client, blockdb_progress_cb progress,
                               void *progress_arg, struct blockdb_error *err);
/* Copies the database on the server's machine, into dir below the server's option backup_dir. */
int blockdb_client_backup(struct blockdb_client *client, const char *dir,
                          blockdb_progress_cb progress, void *progress_arg,
                          struct blockdb_error *err);

/* The same as jobs that their caller may leave and find again. blockdb_client_..._start() returns
 * as soon as the server has begun, blockdb_client_job_await() tells how far it is until it has
 * ended. The server goes on whether or not anybody asks; it remembers its last 64 jobs until it
 * stops. */
enum blockdb_client_job_kind {
    BLOCKDB_CLIENT_JOB_VERIFY,
    BLOCKDB_CLIENT_JOB_BACKUP,
    BLOCKDB_CLIENT_JOB_COMPACT,
    BLOCKDB_CLIENT_JOB_REDACT,
};
#define BLOCKDB_CLIENT_JOB_ID_BYTES 32
#define BLOCKDB_CLIENT_JOB_PATH_BYTES 64
/* A plain value: it may be copied, kept and given to another client of the same server. */
struct blockdb_client_job {
    size_t size;
    enum blockdb_client_job_kind kind;
    char id[BLOCKDB_CLIENT_JOB_ID_BYTES];     /* as the server names it; "": none */
    char path[BLOCKDB_CLIENT_JOB_PATH_BYTES]; /* of the server's page about it */
    uint64_t started_ms;                      /* by the server's clock */
};
#define BLOCKDB_CLIENT_JOB_INIT                                                                    \
    {                                                                                              \
        .size = sizeof(struct blockdb_client_job)                                                  \
    }

/* Each gives the job in *out_job. EBUSY with an id in *out_job: that job of the same kind runs, and
 * nothing was begun; without one the server refused for now. progress in options is not used. */
int blockdb_client_verify_start(struct blockdb_client *client,
                                const struct blockdb_verify_options *options,
                                struct blockdb_client_job *out_job, struct blockdb_error *err);
int blockdb_client_backup_start(struct blockdb_client *client, const char *dir,
                                struct blockdb_client_job *out_job, struct blockdb_error *err);
int blockdb_client_compact_start(struct blockdb_client *client, struct blockdb_client_job *out_job,
                                 struct blockdb_error *err);
int blockdb_client_redact_start(struct blockdb_client *client,
                                const struct blockdb_redact_target *targets, size_t count,
                                const struct blockdb_redact_options *options,
                                struct blockdb_client_job *out_job, struct blockdb_error *err);

struct blockdb_client_job_outcome {
    size_t size;
    struct blockdb_verify_report report; /* of a verification */
    struct blockdb_write_result written; /* of a redaction */
};
/* Asks about job until it has ended; progress (may be NULL) is told each time. A connection that
 * breaks meanwhile is made again, for a minute without any answer. Returns what the job returned,
 * and out_outcome (may be NULL) what it found. ECANCELED: progress returned false, and the server
 * goes on, or the server was told to stop it. ECLOSED: the server knows the job no more, because it
 * was started anew or has had many since. */
int blockdb_client_job_await(struct blockdb_client *client, const struct blockdb_client_job *job,
                             blockdb_progress_cb progress, void *progress_arg,
                             struct blockdb_client_job_outcome *out_outcome,
                             struct blockdb_error *err);
/* Asks the server to stop job, which it does soon; fine when it has ended. EUNSUPPORTED: a
 * redaction, which is never stopped. */
int blockdb_client_job_cancel(struct blockdb_client *client, const struct blockdb_client_job *job,
                              struct blockdb_error *err);

/* The server's figures as JSON text; `database` has the fields of struct blockdb_stats by name. */
int blockdb_client_stats_get(struct blockdb_client *client, struct blockdb_value *out_json,
                             struct blockdb_error *err);

/* ---- Any request --------------------------------------------------------------------------- */

struct blockdb_client_request {
    size_t size;
    const char *method; /* "GET" */
    const char *target; /* "/cluster/status"; percent-encoded */
    const char *accept; /* NULL: anything */
    const char *content_type;
    const void *body; /* NULL: none */
    size_t body_len;
    bool repeatable; /* may be sent again when it is not known whether it arrived; GET and HEAD
                        always are */
};
#define BLOCKDB_CLIENT_REQUEST_INIT                                                                \
    {                                                                                              \
        .size = sizeof(struct blockdb_client_request), .method = "GET"                             \
    }
struct blockdb_client_answer {
    int status;
    char content_type[128];
    struct blockdb_value body; /* version is not used */
};
/* Sends a request, and retries as all calls do. 0 whenever an answer came, whatever its status.
 * answer is zeroed or was filled before; its memory is reused. */
int blockdb_client_request(struct blockdb_client *client,
                           const struct blockdb_client_request *request,
                           struct blockdb_client_answer *answer, struct blockdb_error *err);
void blockdb_client_answer_deinit(struct blockdb_client_answer *answer);

/* ---- Asynchronous use ---------------------------------------------------------------------- */

/*
 * A queue takes operations and gives completions, in the order in which they end. Operations of one
 * queue run at the same time and in no certain order; whoever needs an order submits the next
 * after the completion of the last. A queue has `threads` threads, each with at most one operation
 * under way and so one connection of the pool.
 */
struct blockdb_client_completion {
    uint64_t tag; /* as submitted */
    int status;
    struct blockdb_write_result written; /* of writes */
    struct blockdb_value value;          /* of gets; the caller's */
    struct blockdb_error error;          /* set unless status is 0 */
};

struct blockdb_client_queue_options {
    size_t size;
    unsigned threads;        /* 1 to max_connections */
    unsigned operations_max; /* submitted and not yet taken as completions */
};
#define BLOCKDB_CLIENT_QUEUE_OPTIONS_INIT                                                          \
    {                                                                                              \
        .size = sizeof(struct blockdb_client_queue_options), .threads = 8, .operations_max = 1024  \
    }

/* options may be NULL. */
int blockdb_client_queue_new(struct blockdb_client *client,
                             const struct blockdb_client_queue_options *options,
                             struct blockdb_client_queue **out_queue, struct blockdb_error *err);
/* Waits for what is under way, drops what was not begun and completions not taken, and frees. */
void blockdb_client_queue_free(struct blockdb_client_queue *queue);
/* Submit an operation; bytes are copied. They never wait: EBUSY when operations_max is reached, and
 * nothing was submitted then. Any thread. */
int blockdb_client_queue_put(struct blockdb_client_queue *queue, uint64_t tag, const void *key,
                             size_t key_len, const void *value, size_t value_len,
                             enum blockdb_durability durability, struct blockdb_error *err);
int blockdb_client_queue_delete(struct blockdb_client_queue *queue, uint64_t tag, const void *key,
                                size_t key_len, enum blockdb_durability durability,
                                struct blockdb_error *err);
int blockdb_client_queue_get(struct blockdb_client_queue *queue, uint64_t tag, const void *key,
                             size_t key_len, uint64_t at_seq, struct blockdb_error *err);
/* Takes batch, whatever happens. */
int blockdb_client_queue_write(struct blockdb_client_queue *queue, uint64_t tag,
                               struct blockdb_client_batch *batch,
                               enum blockdb_durability durability, struct blockdb_error *err);
/* Takes the next completion, waiting at most timeout_ms for it (0: not at all). ETIMEDOUT: none
 * yet. ENOTFOUND: nothing is under way. out_completion->value must be zeroed, or filled by an
 * earlier call, whose memory is freed. Any thread. */
int blockdb_client_queue_next(struct blockdb_client_queue *queue, uint32_t timeout_ms,
                              struct blockdb_client_completion *out_completion);
/* A file descriptor that is readable while there are completions, for a program's own poll(). */
int blockdb_client_queue_fd(const struct blockdb_client_queue *queue);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
#endif
