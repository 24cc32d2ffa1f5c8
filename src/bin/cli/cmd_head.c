/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed heads: keygen and checkpoint.
 */
#include "base/mem.h"
#include "bin/cli/cli.h"
#include "bin/cli/source.h"
#include "bin/cli/witnesses.h"
#include "client/answer.h"
#include "client/refusal.h"
#include "crypto/secret.h"
#include "ledger/checkpoint.h"
#include "ledger/signing_key.h"
#include "os/os.h"

#include <blockdb/client.h>
#include <blockdb/evidence.h>
#include <string.h>

#define KEY_FILE_DEFAULT "signing.key"

/* ---- keygen -------------------------------------------------------------------------------- */

/* Writes a new file that only its owner can read, durably. */
static int write_key(struct os *os, const char *path, struct slice text, struct error *err)
{
    AUTO(mem_free_ptr) char *dir = path_dir(path);
    AUTO(file_close_ptr) struct os_file *file = NULL;
    struct error ignored;
    int rc = dir != NULL ? os_open(os, path, OS_WRITE | OS_CREATE | OS_EXCLUSIVE, &file, err)
                         : error_set_no_memory(err);

    if (rc == BLOCKDB_EEXIST) {
        return error_set(err, rc,
                         "'%s' is there already, and a key is never overwritten: name "
                         "another file with --out",
                         path);
    }
    if (rc < 0) {
        return rc == BLOCKDB_ENOTFOUND ? error_set(err, BLOCKDB_EIO, "'%s' does not exist", dir)
                                       : rc;
    }
    rc = file_pwrite(file, text.data, text.len, 0, err);
    if (rc == BLOCKDB_OK) {
        rc = file_sync(file, err);
    }
    if (rc == BLOCKDB_OK) {
        rc = os_sync_dir(os, dir, err);
    }
    if (rc < 0) {
        IGNORE_RESULT(os_unlink(os, path, &ignored)); /* half a key is of no use */
    }
    return rc;
}

static int make_key(struct cli *cli, const char *origin, struct signing_key *out, struct error *err)
{
    enum key_type type = args_has(&cli->args, "witness") ? KEY_TYPE_COSIGNATURE : KEY_TYPE_ED25519;
    uint8_t seed[ED25519_SEED_LEN];
    int rc = os_random(cli->os, seed, sizeof(seed), err);

    if (rc == BLOCKDB_OK) {
        rc = signing_key_init(out, slice_of_text(origin), type, seed, err);
    }
    secret_wipe(seed, sizeof(seed));
    return rc;
}

static int print_key(struct cli *cli, const struct signing_key *key, const char *path,
                     struct error *err)
{
    struct verifier_key verifier = signing_key_verifier(key);
    AUTO(buf_deinit) struct buf text = {0};

    if (verifier_key_append(&text, &verifier) < 0 || buf_append_u8(&text, '\0') < 0) {
        return error_set_no_memory(err);
    }
    if (cli->format == OUTPUT_RAW || cli->format == OUTPUT_TABLE) {
        out_format(&cli->out, "%s\n", (const char *)text.data);
    } else {
        const struct field fields[] = {
            {.name = "vkey", .type = FIELD_TEXT, .text = (const char *)text.data},
            {.name = "file", .type = FIELD_TEXT, .text = path},
        };

        fields_print(&cli->out, cli->format, fields, sizeof(fields) / sizeof(fields[0]));
    }
    return BLOCKDB_OK;
}

int cmd_keygen(struct cli *cli, struct error *err)
{
    AUTO(signing_key_deinit) struct signing_key key = {0};
    const char *origin = args_value(&cli->args, "origin");
    const char *path = args_value(&cli->args, "out");
    char text[SIGNING_KEY_TEXT_MAX + 1];
    size_t len;
    int rc;

    if (origin == NULL) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option --origin is missing: the name of the log, as in the option origin "
                         "of [ledger]; stats prints it");
    }
    path = path != NULL ? path : KEY_FILE_DEFAULT;
    rc = make_key(cli, origin, &key, err);
    if (rc < 0) {
        return rc;
    }
    len = signing_key_format(&key, text);
    text[len++] = '\n';
    rc = write_key(cli->os, path, slice_of(text, len), err);
    secret_wipe(text, sizeof(text));
    return rc < 0 ? rc : print_key(cli, &key, path, err);
}

/* ---- checkpoint ---------------------------------------------------------------------------- */

static int print_head(struct cli *cli, const struct blockdb_value *value, struct error *err)
{
    struct slice bytes = slice_of(value->data, value->len);
    AUTO(buf_deinit) struct buf text = {0};
    struct source_identity identity;
    struct checkpoint checkpoint;
    struct note note;
    int rc;

    if (cli->format == OUTPUT_RAW || cli->format == OUTPUT_TABLE) {
        out_slice(&cli->out, bytes);
        return BLOCKDB_OK;
    }
    rc = checkpoint_parse_note(bytes, &note, &checkpoint, err);
    if (rc == BLOCKDB_OK) {
        rc = cli->source->ops->identity(cli->source, &identity, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (buf_append_slice(&text, bytes) < 0 || buf_append_u8(&text, '\0') < 0) {
        return error_set_no_memory(err);
    }
    {
        const struct field fields[] = {
            {.name = "origin", .type = FIELD_TEXT, .text = identity.origin},
            {.name = "size", .type = FIELD_NUMBER, .number = checkpoint.size},
            {.name = "root", .type = FIELD_HASH, .data = checkpoint.root.bytes},
            {.name = "signatures", .type = FIELD_NUMBER, .number = note.count},
            {.name = "note", .type = FIELD_TEXT, .text = (const char *)text.data},
        };

        fields_print(&cli->out, cli->format, fields, sizeof(fields) / sizeof(fields[0]));
    }
    return BLOCKDB_OK;
}

/* The newest head that the witness policy of a server is content with. */
static int print_cosigned(struct cli *cli, struct error *err)
{
    struct blockdb_client_request request = BLOCKDB_CLIENT_REQUEST_INIT;
    struct blockdb_client_answer answer = {0};
    struct blockdb_value note = {0};
    int rc;

    if (cli->db != NULL) {
        return error_set(err, BLOCKDB_EINVAL,
                         "option --cosigned asks a server; with --data-dir checkpoint itself asks "
                         "the witnesses, and ends with exit code 1 unless their quorum is met");
    }
    request.target = "/checkpoint?cosigned=1";
    request.accept = "text/plain";
    rc = blockdb_client_request(source_client(cli->source), &request, &answer, err);
    if (rc == BLOCKDB_OK && answer.status != 200) {
        const struct answer refusal = {.status = answer.status,
                                       .body = {.data = answer.body.data, .len = answer.body.len}};

        rc = refusal_of(&refusal, "the server", err);
    }
    if (rc == BLOCKDB_OK) {
        note.data = answer.body.data; /* borrowed for printing */
        note.len = answer.body.len;
        rc = print_head(cli, &note, err);
    }
    blockdb_client_answer_deinit(&answer);
    return rc;
}

/* Signs; *out_previous is the head before, if there was one. A server asks its witnesses itself,
 * and needs none. */
static int sign(struct cli *cli, struct blockdb_value *out_previous, struct blockdb_value *out,
                struct error *err)
{
    bool needs_previous = cli->db != NULL || args_has(&cli->args, "no-sign");
    int rc = needs_previous ? cli->source->ops->checkpoint_get(cli->source, out_previous, err)
                            : BLOCKDB_OK;

    if (args_has(&cli->args, "no-sign")) {
        return rc == BLOCKDB_OK ? cli->source->ops->checkpoint_get(cli->source, out, err) : rc;
    }
    if (rc < 0 && rc != BLOCKDB_ENOTFOUND) {
        return rc;
    }
    return cli->source->ops->checkpoint_sign(cli->source, out, err);
}

/* A head that witnesses do not cosign is a signed head, and is printed. */
int cmd_checkpoint(struct cli *cli, struct error *err)
{
    AUTO(blockdb_value_deinit) struct blockdb_value previous = {0};
    AUTO(blockdb_value_deinit) struct blockdb_value note = {0};
    int witnessed = BLOCKDB_OK;
    int rc;

    if (args_has(&cli->args, "cosigned")) {
        return print_cosigned(cli, err);
    }
    rc = sign(cli, &previous, &note, err);
    if (rc < 0) {
        return rc;
    }
    if (cli->db != NULL && witnesses_wanted(cli)) { /* a server asks its own */
        witnessed = witnesses_ask(cli, &previous, &note, err);
    }
    if (witnessed < 0) {
        struct error ignored;

        /* Why it was not witnessed is the failure to tell. */
        IGNORE_RESULT(cli->source != NULL ? print_head(cli, &note, &ignored) : BLOCKDB_OK);
        return witnessed;
    }
    return print_head(cli, &note, err);
}
