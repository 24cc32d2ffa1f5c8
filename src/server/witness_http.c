/* SPDX-License-Identifier: Apache-2.0 */
#include "server/witness_http.h"

#include "base/library.h"
#include "base/mem.h"
#include "base/text.h"
#include "server/listener.h"
#include "wire/add_checkpoint.h"

#include <microhttpd.h>
#include <stdatomic.h>

#define THREADS 4
#define CONNECTION_MEMORY_BYTES ((size_t)32 << 10)
#define DRAIN_STEP_NS 2000000ULL
#define NS_PER_S 1000000000ULL
#define NS_PER_MS 1000000ULL
#define MS_PER_S 1000
#define AREA "witness"

#define FOR_EACH_FUNCTION(X)                                                                       \
    X(MHD_start_daemon)                                                                            \
    X(MHD_quiesce_daemon)                                                                          \
    X(MHD_stop_daemon)                                                                             \
    X(MHD_lookup_connection_value)                                                                 \
    X(MHD_create_response_from_buffer)                                                             \
    X(MHD_add_response_header)                                                                     \
    X(MHD_queue_response)                                                                          \
    X(MHD_destroy_response)

#define MEMBER(name) LIBRARY_FUNCTION(name);
#define TEXT(name) #name,

struct mhd_functions {
    FOR_EACH_FUNCTION(MEMBER)
};

static const char *const mhd_sonames[] = {"libmicrohttpd.so.12", NULL};
static const char *const mhd_symbols[] = {FOR_EACH_FUNCTION(TEXT)};
static const struct library mhd_library = {
    .name = "libmicrohttpd",
    .package = "libmicrohttpd12",
    .sonames = mhd_sonames,
    .symbols = mhd_symbols,
    .symbol_count = sizeof(mhd_symbols) / sizeof(mhd_symbols[0]),
};

struct witness_http {
    /* constant after start */
    struct mhd_functions mhd;
    struct MHD_Daemon *daemon;
    const struct witness *witness;
    struct os *os;
    struct logger *logger;
    char address[LISTENER_ADDRESS_BYTES];
    /* atomic, relaxed: counts and flags that order nothing else */
    atomic_uint begun; /* requests that are not answered yet */
    atomic_bool is_stopping;
};

/* One request that arrives in pieces. */
struct exchange {
    struct witness_http *server;
    struct buf body;
    uint64_t start_ns;
    bool is_answered;
};

/* ---- Answering ----------------------------------------------------------------------------- */

static enum MHD_Result send_answer(const struct witness_http *h, struct MHD_Connection *connection,
                                   const struct witness_answer *answer)
{
    /* The library copies the bytes; its parameter lacks the const. */
    struct MHD_Response *response = h->mhd.MHD_create_response_from_buffer(
        answer->body.len, (void *)(uintptr_t)answer->body.data, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result = MHD_NO;

    if (response == NULL) {
        return MHD_NO;
    }
    if (h->mhd.MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                       answer->content_type) == MHD_YES &&
        (!atomic_load_explicit(&h->is_stopping, memory_order_relaxed) ||
         h->mhd.MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close") ==
             MHD_YES)) {
        result = h->mhd.MHD_queue_response(connection, answer->status, response);
    }
    h->mhd.MHD_destroy_response(response);
    return result;
}

/* What the operator should see of an answer: forks and failures, and on request everything. */
static void log_answer(const struct witness_http *h, const struct witness_request *request,
                       const struct witness_answer *answer, const struct error *err)
{
    enum logger_level level = LOGGER_DEBUG;

    if (answer->status == MHD_HTTP_UNPROCESSABLE_CONTENT) {
        level = LOGGER_WARNING;
    } else if (answer->status >= MHD_HTTP_INTERNAL_SERVER_ERROR) {
        level = LOGGER_ERROR;
    } else if (strcmp(request->method, "POST") == 0 && answer->status == MHD_HTTP_OK) {
        level = LOGGER_INFO;
    }
    logger_write(h->logger, level, AREA, "%s %s %u%s%s", request->method, request->path,
                 answer->status, err->message[0] != '\0' ? ": " : "", err->message);
}

static enum MHD_Result answer(struct exchange *x, struct MHD_Connection *connection,
                              const char *method, const char *path)
{
    struct witness_http *h = x->server;
    struct witness_request request = {.method = method,
                                      .path = path,
                                      .body = buf_slice(&x->body),
                                      .time_s = os_now_ms(h->os) / MS_PER_S};
    AUTO(witness_answer_deinit) struct witness_answer answer = {0};
    struct error err = {0};

    x->is_answered = true;
    IGNORE_RESULT(witness_answer(h->witness, &request, &answer, &err)); /* the answer says it */
    log_answer(h, &request, &answer, &err);
    return send_answer(h, connection, &answer);
}

/* Whether the headers tell of a body that is too long. */
static bool is_too_long(const struct witness_http *h, struct MHD_Connection *connection)
{
    const char *text = h->mhd.MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                          MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t len = 0;

    return text != NULL &&
           (text_parse_decimal(slice_of_text(text), &len) < 0 || len > ADD_CHECKPOINT_LEN_MAX);
}

static enum MHD_Result refuse_length(struct exchange *x, struct MHD_Connection *connection)
{
    static const char text[] = "the request is longer than a witness takes\n";
    struct witness_answer answer = {.status = MHD_HTTP_CONTENT_TOO_LARGE,
                                    .content_type = "text/plain; charset=utf-8",
                                    .body = slice_of(text, sizeof(text) - 1)};

    x->is_answered = true;
    return send_answer(x->server, connection, &answer);
}

/* ---- What libmicrohttpd calls -------------------------------------------------------------- */

static struct exchange *exchange_new(struct witness_http *h)
{
    struct exchange *x = mem_calloc(1, sizeof(*x));

    if (x != NULL) {
        x->server = h;
        x->start_ns = os_monotonic_ns(h->os);
        atomic_fetch_add_explicit(&h->begun, 1, memory_order_relaxed);
    }
    return x;
}

/* Takes a piece of the body. MHD_NO closes the connection. */
static enum MHD_Result take_piece(struct exchange *x, bool is_wanted, const char *data, size_t len)
{
    struct witness_http *h = x->server;

    if (os_monotonic_ns(h->os) - x->start_ns > WITNESS_HTTP_REQUEST_S * NS_PER_S ||
        len > ADD_CHECKPOINT_LEN_MAX - x->body.len) {
        return MHD_NO;
    }
    return !is_wanted || buf_append(&x->body, data, len) == BLOCKDB_OK ? MHD_YES : MHD_NO;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *data, size_t *len, void **request)
{
    struct witness_http *h = context;
    struct exchange *x = *request;
    enum MHD_Result result;

    (void)version;
    if (x == NULL) {
        x = exchange_new(h);
        *request = x;
        if (x == NULL) {
            return MHD_NO;
        }
        return is_too_long(h, connection) ? refuse_length(x, connection) : MHD_YES;
    }
    if (*len > 0) {
        result = take_piece(x, witness_wants_body(h->witness, method, path), data, *len);
        *len = 0;
        return result;
    }
    return x->is_answered ? MHD_YES : answer(x, connection, method, path);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request,
                         enum MHD_RequestTerminationCode code)
{
    struct witness_http *h = context;
    struct exchange *x = *request;

    (void)connection;
    (void)code;
    if (x != NULL) {
        buf_deinit(&x->body);
        mem_free(x);
        *request = NULL;
        atomic_fetch_sub_explicit(&h->begun, 1, memory_order_relaxed);
    }
}

static void on_log(void *context, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static void on_log(void *context, const char *format, va_list args)
{
    const struct witness_http *h = context;

    logger_vwrite(h->logger, LOGGER_DEBUG, AREA, format, args);
}

/* ---- Starting and stopping ----------------------------------------------------------------- */

/* Runs in a thread of ours, whose blocked signals the threads of the library inherit: handlers run
 * on the program's own threads. */
struct start {
    struct witness_http *server;
    int fd; /* the daemon takes it */
};

static void start_daemon(void *arg)
{
    const struct start *start = arg;
    struct witness_http *h = start->server;
    const struct MHD_OptionItem options[] = {
        {MHD_OPTION_LISTEN_SOCKET, start->fd, NULL},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)&on_completed, h},
        {MHD_OPTION_THREAD_POOL_SIZE, THREADS, NULL}, /* each waits for its own sync */
        {MHD_OPTION_CONNECTION_LIMIT, WITNESS_HTTP_CONNECTIONS_MAX, NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT, WITNESS_HTTP_CONNECTIONS_OF_ADDRESS_MAX, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, WITNESS_HTTP_SILENCE_S, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES, NULL},
        {MHD_OPTION_END, 0, NULL},
    };

    /* The logger must be the first option, so that it hears of the others. */
    h->daemon = h->mhd.MHD_start_daemon(MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD |
                                            MHD_USE_ERROR_LOG,
                                        0, NULL, NULL, &on_request, h, MHD_OPTION_EXTERNAL_LOGGER,
                                        &on_log, h, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

static int listen_and_serve(struct witness_http *h, const char *address, struct error *err)
{
    struct start start = {.server = h, .fd = -1};
    struct os_thread *thread = NULL;
    int rc = listener_open(address, &start.fd, h->address, err);

    if (rc < 0) {
        return rc;
    }
    rc = os_thread_start(h->os, "witness-start", start_daemon, &start, &thread, err);
    if (rc == BLOCKDB_OK) {
        os_thread_join(h->os, thread);
    }
    if (rc == BLOCKDB_OK && h->daemon == NULL) {
        rc = error_set(err, BLOCKDB_EIO,
                       "libmicrohttpd cannot serve '%s'; are there limits on threads or files?",
                       h->address);
    }
    if (rc < 0) {
        listener_close(start.fd);
    }
    return rc;
}

int witness_http_start(const struct witness_http_options *options, struct witness_http **out,
                       struct error *err)
{
    AUTO(mem_free_ptr) struct witness_http *h = mem_calloc(1, sizeof(*h));
    int rc;

    if (h == NULL) {
        return error_set_no_memory(err);
    }
    h->witness = options->witness;
    h->os = options->os;
    h->logger = options->logger;
    rc = library_load(&mhd_library, &h->mhd, err);
    rc = rc == BLOCKDB_OK ? listen_and_serve(h, options->listen, err) : rc;
    if (rc < 0) {
        return rc;
    }
    *out = TAKE(h);
    return BLOCKDB_OK;
}

const char *witness_http_address(const struct witness_http *h)
{
    return h->address;
}

void witness_http_stop(struct witness_http *h)
{
    uint64_t end_ns;

    if (h == NULL) {
        return;
    }
    end_ns = os_monotonic_ns(h->os) + WITNESS_HTTP_DRAIN_MS * NS_PER_MS;
    atomic_store_explicit(&h->is_stopping, true, memory_order_relaxed);
    listener_close(h->mhd.MHD_quiesce_daemon(h->daemon));
    while (atomic_load_explicit(&h->begun, memory_order_relaxed) > 0 &&
           os_monotonic_ns(h->os) < end_ns) {
        os_sleep_ns(h->os, DRAIN_STEP_NS);
    }
    h->mhd.MHD_stop_daemon(h->daemon);
    mem_free(h);
}

void witness_http_stop_ptr(struct witness_http **h)
{
    witness_http_stop(*h);
}
