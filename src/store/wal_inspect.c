/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Describes one segment file for a person: every frame, the end, and what stands behind it.
 */
#include "base/mem.h"
#include "store/wal_reader.h"

struct inspecting {
    struct wal_reader reader;
    wal_inspect_fn visit;
    void *context;
    bool has_position; /* the start frame was readable */
    uint64_t start_position;
    uint64_t end; /* where the run of good frames ends */
};

static void inspecting_deinit(struct inspecting *in)
{
    wal_reader_deinit(&in->reader);
}

static int tell(const struct inspecting *in, const struct wal_inspection *found, struct error *err)
{
    int rc = in->visit(in->context, found, err);

    return rc < 0 ? rc : BLOCKDB_OK;
}

static int tell_header(const struct inspecting *in, struct error *err)
{
    const struct wal_inspection found = {
        .kind = WAL_INSPECT_HEADER,
        .len_bytes = WAL_HEADER_BYTES,
        .segment_number = in->reader.header.number,
    };

    return tell(in, &found, err);
}

static enum wal_inspect_kind kind_of(const struct wal_found *f)
{
    if (f->place == WAL_PLACE_DAMAGED) {
        return WAL_INSPECT_DAMAGED;
    }
    switch (f->header.kind) {
    case WAL_FRAME_START:
        return WAL_INSPECT_START;
    case WAL_FRAME_DATA:
        return WAL_INSPECT_FRAME;
    case WAL_FRAME_CLOSE:
        return WAL_INSPECT_CLOSE;
    }
    return WAL_INSPECT_DAMAGED;
}

static int tell_frame(struct inspecting *in, const struct wal_found *f, enum wal_inspect_kind kind,
                      struct error *err)
{
    struct wal_inspection found = {
        .kind = kind,
        .offset = f->offset,
        .len_bytes = f->len_bytes,
        .payload_len = f->header.payload_len,
        .first_seq = f->header.first_seq,
        .end_seq = f->header.end_seq,
        .synced_position = f->header.synced_position,
    };
    struct wal_start start;

    if (kind == WAL_INSPECT_START && wal_start_decode(f->payload, &start)) {
        in->has_position = true;
        in->start_position = start.position;
        found.segment_number = in->reader.header.number;
        found.previous_number = start.previous_number;
    }
    if (in->has_position) {
        found.position = in->start_position + (f->offset - WAL_HEADER_BYTES);
    }
    return tell(in, &found, err);
}

/* The run of good frames from the front; a damaged frame ends it and is told too. */
static int inspect_run(struct inspecting *in, struct error *err)
{
    struct wal_found f;
    int rc;

    in->end = WAL_HEADER_BYTES;
    for (;;) {
        rc = wal_reader_look(&in->reader, in->end, &f, err);
        if (rc < 0 || f.place == WAL_PLACE_NOTHING) {
            return rc;
        }
        rc = tell_frame(in, &f, kind_of(&f), err);
        if (rc < 0 || f.place != WAL_PLACE_FRAME) {
            return rc;
        }
        in->end += f.len_bytes;
    }
}

/* Good frames behind the end: either the end is damage, or they are what a torn tail left. */
static int inspect_rest(struct inspecting *in, struct error *err)
{
    const struct wal_inspection end = {
        .kind = WAL_INSPECT_END,
        .offset = in->end,
        .len_bytes = in->reader.file_bytes > in->end ? in->reader.file_bytes - in->end : 0,
    };
    uint64_t offset = in->end;
    uint64_t ignored = 0;
    struct wal_found f;
    int rc;

    rc = tell(in, &end, err);
    while (rc == 0) {
        rc = wal_reader_search(&in->reader, offset, &f, &ignored, err);
        if (rc < 0 || f.place != WAL_PLACE_FRAME) {
            return rc;
        }
        rc = tell_frame(in, &f, WAL_INSPECT_BEYOND, err);
        offset = f.offset + f.len_bytes;
    }
    return rc;
}

int wal_inspect(struct os *os, const char *path, wal_inspect_fn visit, void *context,
                struct error *err)
{
    AUTO(inspecting_deinit) struct inspecting in = {.visit = visit, .context = context};
    int rc;

    rc = wal_reader_open(&in.reader, os, path, err);
    if (rc == 0) {
        rc = tell_header(&in, err);
    }
    if (rc == 0) {
        rc = inspect_run(&in, err);
    }
    return rc < 0 ? rc : inspect_rest(&in, err);
}
