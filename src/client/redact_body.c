/* SPDX-License-Identifier: Apache-2.0 */
#include "client/redact_body.h"

#include "base/json_writer.h"
#include "client/shape.h"

static void write_target(struct json_writer *w, const struct blockdb_redact_target *target)
{
    shape_write_pair(w, slice_of(target->key, target->key_len), NULL);
    json_writer_member_u64(w, "seq", target->seq);
}

/* One version stands in the body itself, which servers of all versions understand. */
static void write_targets(struct json_writer *w, const struct blockdb_redact_target *targets,
                          size_t count)
{
    size_t i;

    if (count == 1) {
        write_target(w, targets);
        return;
    }
    json_writer_key(w, "versions");
    json_writer_begin_array(w);
    for (i = 0; i < count; i++) {
        json_writer_begin_object(w);
        write_target(w, &targets[i]);
        json_writer_end_object(w);
    }
    json_writer_end_array(w);
}

int redact_body(const struct blockdb_redact_target *targets, size_t count,
                const struct blockdb_redact_options *o, struct buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_writer_begin_object(&w);
    write_targets(&w, targets, count);
    if (o != NULL && o->reason != NULL) {
        json_writer_member_text(&w, "reason", o->reason);
    }
    if (o != NULL && o->reason_code != 0) {
        json_writer_member_u64(&w, "reason_code", o->reason_code);
    }
    if (o != NULL && o->authority != NULL) {
        json_writer_member_text(&w, "authority", o->authority);
    }
    json_writer_end_object(&w);
    return json_writer_finish(&w);
}
