/* SPDX-License-Identifier: Apache-2.0 */
/* The part of inspect.h for files that are logs: WAL segments and manifests. */
#include "base/text.h"
#include "bin/cli/cli.h"
#include "bin/cli/inspect.h"
#include "store/manifest.h"
#include "store/wal.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- WAL ----------------------------------------------------------------------------------- */

static const char *wal_kind_name(enum wal_inspect_kind kind)
{
    switch (kind) {
    case WAL_INSPECT_HEADER:
        return "header";
    case WAL_INSPECT_START:
        return "start";
    case WAL_INSPECT_FRAME:
        return "frame";
    case WAL_INSPECT_CLOSE:
        return "close";
    case WAL_INSPECT_DAMAGED:
        return "DAMAGED";
    case WAL_INSPECT_END:
        return "end";
    case WAL_INSPECT_BEYOND:
        return "BEYOND";
    }
    return "unknown";
}

struct wal_walk {
    struct cli *cli;
    struct row_printer printer;
    uint64_t damaged_at; /* UINT64_MAX: nowhere */
};

/* A wal_inspect_fn. */
static int wal_visit(void *context, const struct wal_inspection *found, struct error *err)
{
    struct wal_walk *walk = context;
    const struct field fields[] = {
        {.name = "kind", .type = FIELD_TEXT, .text = wal_kind_name(found->kind)},
        {.name = "offset", .type = FIELD_NUMBER, .number = found->offset},
        {.name = "len_bytes", .type = FIELD_NUMBER, .number = found->len_bytes},
        {.name = "payload_len", .type = FIELD_NUMBER, .number = found->payload_len},
        {.name = "first_seq", .type = FIELD_NUMBER, .number = found->first_seq},
        {.name = "end_seq", .type = FIELD_NUMBER, .number = found->end_seq},
        {.name = "position", .type = FIELD_NUMBER, .number = found->position},
        {.name = "synced_position", .type = FIELD_NUMBER, .number = found->synced_position},
        {.name = "segment_number", .type = FIELD_NUMBER, .number = found->segment_number},
        {.name = "previous_number", .type = FIELD_NUMBER, .number = found->previous_number},
    };

    row_print(&walk->printer, fields, sizeof(fields) / sizeof(fields[0]));
    if (found->kind == WAL_INSPECT_DAMAGED && walk->damaged_at == UINT64_MAX) {
        walk->damaged_at = found->offset;
    }
    return cli_stop_status(walk->cli, err);
}

int inspect_wal(struct cli *cli, const char *path, struct error *err)
{
    struct wal_walk walk = {
        .cli = cli, .printer = {.out = &cli->out, .format = cli->format}, .damaged_at = UINT64_MAX};
    int rc;

    row_printer_begin(&walk.printer);
    rc = wal_inspect(cli->os, path, wal_visit, &walk, err);
    row_printer_end(&walk.printer);
    if (rc == BLOCKDB_OK && walk.damaged_at != UINT64_MAX) {
        return error_set(err, BLOCKDB_ECORRUPT,
                         "'%s': the frame at offset %llu is damaged; a torn tail after a power cut "
                         "is cut at the next open",
                         path, (unsigned long long)walk.damaged_at);
    }
    return rc;
}

/* ---- Manifest ------------------------------------------------------------------------------ */

#define CHANGES_MAX 200

struct manifest_walk {
    struct cli *cli;
    struct row_printer printer;
};

static int append_words(char *text, int used, const char *words)
{
    int room = CHANGES_MAX - used;
    int len;

    if (room <= 1) {
        return used;
    }
    len = snprintf(text + used, (size_t)room, "%s%s", used > 0 ? ", " : "", words);
    return len < room ? used + len : CHANGES_MAX - 1;
}

static int append(char *text, int used, const char *what, uint64_t number)
{
    char words[CHANGES_MAX];

    (void)snprintf(words, sizeof(words), "%s %" PRIu64, what, number);
    return append_words(text, used, words);
}

static int append_redactions(char *text, int used, uint64_t from)
{
    if (from != BLOCKDB_SEQ_NONE) {
        return append(text, used, "redactions pending from", from);
    }
    return append_words(text, used, "no redactions pending");
}

/* Says in words what an edit changes. */
static void edit_describe(const struct manifest_edit *edit, char text[CHANGES_MAX])
{
    int used = 0;
    size_t i;

    text[0] = '\0';
    for (i = 0; i < edit->remove_table_count; i++) {
        used = append(text, used, "remove table", edit->remove_tables[i]);
    }
    for (i = 0; i < edit->add_table_count; i++) {
        used = append(text, used, "add table", edit->add_tables[i].number);
        used = append(text, used, "level", edit->add_tables[i].level);
    }
    for (i = 0; i < edit->remove_segment_count; i++) {
        used = append(text, used, "remove segment", edit->remove_segments[i]);
    }
    for (i = 0; i < edit->put_segment_count; i++) {
        used = append(text, used, edit->put_segments[i].finished ? "finished segment" : "segment",
                      edit->put_segments[i].number);
    }
    used = edit->set_flushed ? append(text, used, "flushed", edit->flushed_seq) : used;
    used = edit->set_sealed ? append(text, used, "sealed", edit->sealed.seq_count) : used;
    used = edit->set_wal
               ? append(text, used, edit->wal.clean ? "WAL clean at" : "WAL at", edit->wal.position)
               : used;
    used = edit->set_dedupe ? append(text, used, "requests up to", edit->dedupe_seq) : used;
    used = edit->set_epoch ? append(text, used, "epoch", edit->epoch) : used;
    used = edit->set_options ? append(text, used, "features", edit->options.features) : used;
    if (edit->set_redactions) {
        used = append_redactions(text, used, edit->redactions_from);
    }
    (void)append(text, used, "next file", edit->next_file_number);
}

/* A manifest_visit_fn. */
static int manifest_visit(void *arg, uint64_t offset, const struct manifest_edit *edit)
{
    struct manifest_walk *walk = arg;
    char changes[CHANGES_MAX];
    const struct field fields[] = {
        {.name = "offset", .type = FIELD_NUMBER, .number = offset},
        {.name = "changes", .type = FIELD_TEXT, .text = changes},
    };

    edit_describe(edit, changes);
    row_print(&walk->printer, fields, sizeof(fields) / sizeof(fields[0]));
    return BLOCKDB_OK;
}

int inspect_manifest(struct cli *cli, const char *path, struct error *err)
{
    struct manifest_walk walk = {.cli = cli, .printer = {.out = &cli->out, .format = cli->format}};
    struct manifest_info info;
    int rc;

    row_printer_begin(&walk.printer);
    rc = manifest_inspect(cli->os, path, manifest_visit, &walk, &info, err);
    row_printer_end(&walk.printer);
    if (rc == BLOCKDB_OK && cli->format == OUTPUT_TABLE) {
        char id[LEDGER_ID_LEN * 2 + 1];

        text_format_hex(id, info.ledger_id, LEDGER_ID_LEN);
        out_format(&cli->out,
                   "\nmanifest %" PRIu64 " of ledger %s: %" PRIu64 " edits, %" PRIu64
                   " bytes, %" PRIu64 " bytes torn\n",
                   info.number, id, info.edit_count, info.bytes, info.torn_bytes);
    }
    return rc;
}
