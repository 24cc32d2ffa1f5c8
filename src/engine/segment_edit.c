/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/segment_edit.h"

struct manifest_segment segment_to_manifest(const struct segment_info *info)
{
    return (struct manifest_segment){
        .number = info->number,
        .revision = info->revision,
        .first_seq = info->first_seq,
        .first_height = info->first_height,
        .seq_count = info->finished ? info->end_seq - info->first_seq : 0,
        .block_count = info->finished ? info->end_height - info->first_height : 0,
        .bytes = info->len_bytes,
        .finished = info->finished,
    };
}

struct segment_info segment_of_manifest(const struct manifest_segment *segment)
{
    return (struct segment_info){
        .number = (uint32_t)segment->number,
        .revision = (uint32_t)segment->revision,
        .finished = segment->finished,
        .first_seq = segment->first_seq,
        .first_height = segment->first_height,
        .end_seq = segment->finished ? segment->first_seq + segment->seq_count : 0,
        .end_height = segment->finished ? segment->first_height + segment->block_count : 0,
        .len_bytes = segment->bytes,
    };
}
