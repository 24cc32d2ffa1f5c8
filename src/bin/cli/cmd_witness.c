/* SPDX-License-Identifier: Apache-2.0 */
/* witness. */
#include "base/mem.h"
#include "bin/cli/cli.h"
#include "bin/cli/signals.h"
#include "crypto/secret.h"
#include "ledger/policy.h"
#include "os/os.h"
#include "server/witness_http.h"
#include "server/witness_store.h"

#include <inttypes.h>
#include <string.h>

#define LISTEN_DEFAULT "127.0.0.1:8090"
#define KEY_FILE_MAX 4096
#define MODE_OTHERS 0077
#define LOOK_NS 50000000ULL /* how often it is looked whether to stop */

/* All that a running witness is made of. */
struct setup {
    struct signing_key key;
    struct buf policy_text;
    struct policy *policy; /* NULL: none given */
    struct verifier_key keys[ARGS_OPTIONS_MAX + POLICY_LOGS_MAX];
    size_t key_count;
    struct witness_store *store;
    struct witness *witness;
    struct witness_http *http;
};

static void setup_deinit(struct setup *s)
{
    witness_http_stop(s->http);
    witness_free(s->witness);
    witness_store_close(s->store);
    mem_free(s->policy);
    buf_deinit(&s->policy_text);
    signing_key_deinit(&s->key);
}

/* ---- Keys ---------------------------------------------------------------------------------- */

/* A missing file is no missing key. */
static int file_status(int rc)
{
    return rc == BLOCKDB_ENOTFOUND ? BLOCKDB_EIO : rc;
}

static int read_key_text(struct cli *cli, const char *path, struct buf *out, struct error *err)
{
    struct os_stat stat;
    int rc = os_stat_path(cli->os, path, &stat, err);

    if (rc < 0) {
        return error_wrap(err, file_status(rc), "option --key-file");
    }
    if ((stat.mode & MODE_OTHERS) != 0 || !stat.is_own) {
        return error_set(err, BLOCKDB_EDENIED,
                         "option --key-file: others may read or own '%s' (mode %04" PRIo32
                         "): chmod 600 '%s', or make a new key",
                         path, stat.mode, path);
    }
    rc = os_read_file(cli->os, path, KEY_FILE_MAX, out, err);
    return rc < 0 ? error_wrap(err, file_status(rc), "option --key-file") : rc;
}

static int load_key(struct cli *cli, struct signing_key *out, struct error *err)
{
    const char *path = args_value(&cli->args, "key-file");
    AUTO(buf_deinit) struct buf text = {0};
    int rc;

    if (path == NULL) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option --key-file is missing; blockdb-cli keygen --witness makes one");
    }
    rc = read_key_text(cli, path, &text, err);
    if (rc < 0) {
        return rc;
    }
    rc = signing_key_parse(buf_slice(&text), out, err);
    secret_wipe(text.data, text.len);
    if (rc < 0) {
        return error_wrap(err, rc, "option --key-file: '%s'", path);
    }
    if (out->type != KEY_TYPE_COSIGNATURE) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option --key-file: '%s' has the key of a log; blockdb-cli keygen "
                         "--witness makes that of a witness",
                         path);
    }
    return BLOCKDB_OK;
}

static int load_policy(struct cli *cli, struct setup *s, struct error *err)
{
    const char *path = args_value(&cli->args, "policy");
    size_t i;
    int rc;

    if (path == NULL) {
        return BLOCKDB_OK;
    }
    s->policy = mem_alloc(sizeof(*s->policy));
    if (s->policy == NULL) {
        return error_set_no_memory(err);
    }
    rc = os_read_file(cli->os, path, POLICY_TEXT_MAX, &s->policy_text, err);
    rc = rc == BLOCKDB_OK ? policy_parse(buf_slice(&s->policy_text), s->policy, err) : rc;
    if (rc < 0) {
        return error_wrap(err, file_status(rc), "option --policy: '%s'", path);
    }
    for (i = 0; i < s->policy->log_count; i++) {
        s->keys[s->key_count++] = s->policy->logs[i].key;
    }
    return BLOCKDB_OK;
}

static int load_logs(struct cli *cli, struct setup *s, struct error *err)
{
    const char *text;
    unsigned n;
    int rc = load_policy(cli, s, err);

    for (n = 0; rc == BLOCKDB_OK && (text = args_value_at(&cli->args, "log", n)) != NULL; n++) {
        rc = verifier_key_parse(slice_of_text(text), &s->keys[s->key_count], err);
        if (rc < 0) {
            return error_wrap(err, rc, "option --log");
        }
        s->key_count++;
    }
    if (rc == BLOCKDB_OK && s->key_count == 0) {
        return error_set(err, BLOCKDB_EINVAL,
                         "no log to witness: name the verifier keys of logs with --log, or a "
                         "policy that lists some with --policy");
    }
    return rc;
}

/* ---- Running ------------------------------------------------------------------------------- */

static int start(struct cli *cli, struct setup *s, struct error *err)
{
    const char *dir = args_value(&cli->args, "dir");
    const char *listen = args_value(&cli->args, "listen");
    struct witness_options options = {.key = &s->key,
                                      .keys = s->keys,
                                      .key_count = s->key_count,
                                      .prefix = args_value(&cli->args, "prefix")};
    struct witness_http_options http = {.os = cli->os,
                                        .listen = listen != NULL ? listen : LISTEN_DEFAULT,
                                        .logger = &cli->messages.logger};
    int rc;

    if (dir == NULL) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option --dir is missing: the directory where the witness keeps heads");
    }
    rc = witness_store_open(cli->os, dir, &s->store, err);
    if (rc < 0) {
        return file_status(rc);
    }
    options.heads = witness_store_heads(s->store);
    rc = witness_new(&options, &s->witness, err);
    if (rc < 0) {
        return rc;
    }
    http.witness = s->witness;
    return witness_http_start(&http, &s->http, err);
}

/* Where to find it, and by which key to know it: a line for a tlog-policy. */
static int announce(struct cli *cli, const struct setup *s, struct error *err)
{
    const char *prefix = args_value(&cli->args, "prefix");
    struct verifier_key verifier = signing_key_verifier(&s->key);
    AUTO(buf_deinit) struct buf vkey = {0};
    AUTO(buf_deinit) struct buf url = {0};

    if (verifier_key_append(&vkey, &verifier) < 0 || buf_append_u8(&vkey, '\0') < 0 ||
        buf_appendf(&url, "http://%s%s%c", witness_http_address(s->http),
                    prefix != NULL ? prefix : "", '\0') < 0) {
        return error_set_no_memory(err);
    }
    {
        const struct field fields[] = {
            {.name = "url", .type = FIELD_TEXT, .text = (const char *)url.data},
            {.name = "vkey", .type = FIELD_TEXT, .text = (const char *)vkey.data},
            {.name = "keys", .type = FIELD_NUMBER, .number = s->key_count},
        };

        fields_print(&cli->out, cli->format, fields, sizeof(fields) / sizeof(fields[0]));
    }
    return out_finish(&cli->out, err);
}

/* Serves until it is asked to stop, or can store nothing any more: then it ends, so that whoever
 * supervises it starts it again, and it reads anew what the disk holds. */
static int serve(struct cli *cli, const struct setup *s, struct error *err)
{
    struct error cause;

    while (!signals_stop_asked()) {
        if (witness_store_failed(s->store, &cause)) {
            return error_set(err, cause.code, "stopped, for a head could not be stored: %s",
                             cause.message);
        }
        os_sleep_ns(cli->os, LOOK_NS);
    }
    return BLOCKDB_OK;
}

int cmd_witness(struct cli *cli, struct error *err)
{
    AUTO(setup_deinit) struct setup s = {0};
    int rc = load_key(cli, &s.key, err);

    rc = rc == BLOCKDB_OK ? load_logs(cli, &s, err) : rc;
    rc = rc == BLOCKDB_OK ? start(cli, &s, err) : rc;
    rc = rc == BLOCKDB_OK ? announce(cli, &s, err) : rc;
    return rc == BLOCKDB_OK ? serve(cli, &s, err) : rc;
}
