/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a manifest: the whole file, checked, edit by edit.
 *
 * Threads:   caller locks.
 * Format:    docs/format/manifest.md
 */
#pragma once

#include "os/os.h"
#include "store/manifest.h"
#include "store/manifest_format.h"

#define MANIFEST_FILE_BYTES_MAX ((size_t)1 << 31)

/* What stands in a manifest file. */
struct manifest_log {
    struct manifest_head head;
    struct manifest_state state; /* all edits applied */
    uint64_t edit_count;
    uint64_t end;          /* behind the last whole record */
    uint64_t file_bytes;   /* what is beyond `end` is a torn tail */
    uint64_t snapshot_end; /* behind the first record */
};
/* For AUTO(); a zeroed one is fine. */
void manifest_log_deinit(struct manifest_log *log);

/* Parses the bytes of a manifest file. visit may be NULL. path is for messages. */
RESULT_MUST_BE_USED int manifest_log_parse(struct slice bytes, const char *path,
                                           manifest_visit_fn visit, void *arg,
                                           struct manifest_log *out, struct error *err);
/* Reads and parses it. */
RESULT_MUST_BE_USED int manifest_log_read(struct os *os, const char *path, manifest_visit_fn visit,
                                          void *arg, struct manifest_log *out, struct error *err);

/* "MANIFEST-000007"; out has MANIFEST_NAME_MAX bytes. */
void manifest_name(uint64_t number, char *out);
/* The number in such a name; false for any other text. */
bool manifest_name_parse(struct slice name, uint64_t *out_number);
