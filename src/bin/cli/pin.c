/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/pin.h"

#include "base/base64.h"
#include "base/bytes.h"
#include "base/lines.h"
#include "base/mem.h"
#include "bin/cli/message.h"
#include "ledger/merkle.h"
#include "os/os.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TITLE "blockdb-pin 1"
#define SIGNED "signed"
#define SEEN "seen"
#define FILE_BYTES_MAX 1024
#define HEX_LEN (2 * (size_t)SHA256_LEN)
#define ROOT_TEXT_LEN 44 /* base64 of 32 bytes */

/* ---- Where it is --------------------------------------------------------------------------- */

static const char *variable(char *const *environment, const char *name)
{
    size_t len = strlen(name);

    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=') {
            return *environment + len + 1;
        }
    }
    return "";
}

static void origin_hex(const char *origin, char out[HEX_LEN + 1])
{
    struct hash hash;
    struct sha256 s;
    size_t i;

    sha256_init(&s);
    sha256_update(&s, origin, strlen(origin));
    sha256_final(&s, &hash);
    for (i = 0; i < SHA256_LEN; i++) {
        (void)snprintf(out + 2 * i, 3, "%02x", hash.bytes[i]);
    }
}

/* NULL with BLOCKDB_OK: there is nowhere. */
static int make_path(char *const *environment, const char *origin, char **out)
{
    const char *state = variable(environment, "XDG_STATE_HOME");
    const char *home = variable(environment, "HOME");
    AUTO(buf_deinit) struct buf path = {0};
    char hex[HEX_LEN + 1];
    int rc;

    /* A relative path there is invalid by the rules of XDG. */
    if (state[0] != '/' && home[0] != '/') {
        return BLOCKDB_OK;
    }
    origin_hex(origin, hex);
    rc = state[0] == '/' ? buf_appendf(&path, "%s", state)
                         : buf_appendf(&path, "%s/.local/state", home);
    if (rc == BLOCKDB_OK) {
        rc = buf_appendf(&path, "/blockdb/heads/%s", hex);
    }
    if (rc == BLOCKDB_OK) {
        rc = buf_append_u8(&path, '\0');
    }
    if (rc == BLOCKDB_OK) {
        *out = (char *)TAKE(path.data);
    }
    return rc;
}

/* ---- The file ------------------------------------------------------------------------------ */

static bool parse_size(struct slice text, uint64_t *out)
{
    uint64_t size = 0;
    size_t i;

    for (i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';

        if (digit > 9 || __builtin_mul_overflow(size, 10, &size) ||
            __builtin_add_overflow(size, digit, &size)) {
            return false;
        }
    }
    *out = size;
    return text.len > 0;
}

static bool parse(struct slice bytes, const char *origin, struct pinned_head *out)
{
    struct lines lines = lines_of(bytes);
    struct slice line;
    struct pinned_head head;

    if (!lines_next(&lines, &line) || !slice_equal(line, slice_of_text(TITLE)) ||
        !lines_next(&lines, &line) || !slice_equal(line, slice_of_text(origin)) ||
        !lines_next(&lines, &line) || !parse_size(line, &head.size) || !lines_next(&lines, &line) ||
        base64_decode(line, head.root.bytes, SHA256_LEN) < 0 || !lines_next(&lines, &line)) {
        return false;
    }
    head.is_signed = slice_equal(line, slice_of_text(SIGNED));
    if (lines_left(&lines) || (!head.is_signed && !slice_equal(line, slice_of_text(SEEN)))) {
        return false;
    }
    *out = head;
    return true;
}

static void root_text(const struct hash *root, char out[ROOT_TEXT_LEN + 1])
{
    base64_format(out, slice_of(root->bytes, SHA256_LEN));
    out[ROOT_TEXT_LEN] = '\0';
}

static void load(struct pin *pin)
{
    AUTO(buf_deinit) struct buf bytes = {0};
    struct error err;
    int rc = os_read_file(pin->os, pin->path, FILE_BYTES_MAX, &bytes, &err);

    if (rc == BLOCKDB_ENOTFOUND) {
        return;
    }
    if (rc < 0) {
        message_note(pin->messages, LOGGER_WARNING, "the pinned head cannot be read: %s",
                     err.message);
        return;
    }
    pin->has_kept = parse(buf_slice(&bytes), pin->origin, &pin->kept);
    if (!pin->has_kept) {
        message_note(pin->messages, LOGGER_WARNING,
                     "the pinned head in '%s' is damaged and begun anew", pin->path);
    }
}

/* Writes a file without syncing it. */
static int write_file(struct os *os, const char *path, struct slice bytes, struct error *err)
{
    AUTO(file_close_ptr) struct os_file *file = NULL;
    int rc = os_open(os, path, OS_WRITE | OS_CREATE | OS_TRUNCATE, &file, err);

    return rc < 0 ? rc : file_pwrite(file, bytes.data, bytes.len, 0, err);
}

static int replace(struct pin *pin, struct slice bytes, struct error *err)
{
    AUTO(buf_deinit) struct buf temporary = {0};
    const char *path;
    int rc;

    /* Other processes may keep the pin of a log of this name at the same time. */
    if (buf_appendf(&temporary, "%s.%ld.tmp", pin->path, (long)getpid()) < 0 ||
        buf_append_u8(&temporary, '\0') < 0) {
        return error_set_no_memory(err);
    }
    path = (const char *)temporary.data;
    rc = write_file(pin->os, path, bytes, err);
    if (rc == BLOCKDB_ENOTFOUND) {
        AUTO(mem_free_ptr) char *dir = path_dir(pin->path);

        rc = dir != NULL ? os_make_dirs(pin->os, dir, err) : error_set_no_memory(err);
        if (rc == BLOCKDB_OK) {
            rc = write_file(pin->os, path, bytes, err);
        }
    }
    return rc < 0 ? rc : os_rename(pin->os, path, pin->path, err);
}

/* ---- Use ----------------------------------------------------------------------------------- */

int pin_init(struct pin *pin, struct os *os, struct messages *messages, char *const *environment,
             const char *origin)
{
    *pin = (struct pin){.os = os, .messages = messages, .origin = mem_strdup(origin)};
    if (pin->origin == NULL || make_path(environment, origin, &pin->path) < 0) {
        pin_deinit(pin);
        return BLOCKDB_ENOMEM;
    }
    if (pin->path == NULL) {
        message_note(messages, LOGGER_INFO,
                     "no head is pinned: neither XDG_STATE_HOME nor HOME is a path");
        return BLOCKDB_OK;
    }
    load(pin);
    return BLOCKDB_OK;
}

void pin_deinit(struct pin *pin)
{
    mem_free(pin->path);
    mem_free(pin->origin);
    *pin = (struct pin){0};
}

static int refuse(const struct pin *pin, const struct pin_log *log, const struct hash *root,
                  struct error *err)
{
    char seen[ROOT_TEXT_LEN + 1];
    char shown[ROOT_TEXT_LEN + 1];
    bool is_shorter = log->head.size < pin->kept.size;

    root_text(&pin->kept.root, seen);
    root_text(root, shown);
    return error_set(err, BLOCKDB_ETAMPERED,
                     "'%s' shows %s of the log '%s': seen before was a %s head of %" PRIu64
                     " entries with root %s; here, %" PRIu64 " entries have root %s. An older copy "
                     "was put back, or the history was changed. The newest head seen is in '%s'; "
                     "if you know why it is so, accept what is there now with --forget-pin",
                     log->name, is_shorter ? "an older state" : "another history", pin->origin,
                     pin->kept.is_signed ? "signed" : "sealed", pin->kept.size, seen,
                     is_shorter ? log->head.size : pin->kept.size, shown, pin->path);
}

int pin_check(struct pin *pin, const struct pin_log *log, bool forget, struct error *err)
{
    struct hash root = log->head.root;
    int rc = BLOCKDB_OK;

    if (pin->path == NULL || !pin->has_kept || forget) {
        pin->has_kept = false;
        pin->is_checked = true;
        return BLOCKDB_OK;
    }
    if (log->head.size > pin->kept.size) {
        rc = log->root_at(log->context, pin->kept.size, &root, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (log->head.size < pin->kept.size || !hash_equal(&root, &pin->kept.root)) {
        return refuse(pin, log, &root, err);
    }
    pin->is_checked = true;
    return BLOCKDB_OK;
}

void pin_keep(struct pin *pin, const struct pinned_head *head)
{
    char text[FILE_BYTES_MAX];
    char root[ROOT_TEXT_LEN + 1];
    struct error err;
    int len;

    bool is_newer = !pin->has_kept || head->size > pin->kept.size ||
                    (head->size == pin->kept.size && head->is_signed && !pin->kept.is_signed);

    if (pin->path == NULL || !pin->is_checked || !is_newer) {
        return;
    }
    root_text(&head->root, root);
    len = snprintf(text, sizeof(text), "%s\n%s\n%" PRIu64 "\n%s\n%s\n", TITLE, pin->origin,
                   head->size, root, head->is_signed ? SIGNED : SEEN);
    if (replace(pin, slice_of(text, (size_t)len), &err) < 0) {
        message_note(pin->messages, LOGGER_WARNING, "the head cannot be pinned: %s", err.message);
        return;
    }
    pin->kept = *head;
    pin->has_kept = true;
}
