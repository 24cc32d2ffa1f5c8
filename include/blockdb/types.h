/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all BlockDB libraries share: limits, and the kinds of entries.
 */
#ifndef BLOCKDB_TYPES_H
#define BLOCKDB_TYPES_H

#include <stdint.h>

#define BLOCKDB_KEY_MAX 4096
#define BLOCKDB_VALUE_MAX (16u * 1024 * 1024)
#define BLOCKDB_HASH_LEN 32
#define BLOCKDB_SALT_LEN 16
#define BLOCKDB_CLIENT_ID_LEN 16
/* "No seq": the newest, when reading; none, when reported. */
#define BLOCKDB_SEQ_NONE UINT64_MAX

enum blockdb_kind {
    BLOCKDB_KIND_PUT = 1,
    BLOCKDB_KIND_DELETE = 2,
    BLOCKDB_KIND_BLOCK_HEADER = 3,
    BLOCKDB_KIND_REDACT = 4,
    BLOCKDB_KIND_EPOCH = 5, /* a restore, or another declared break */
    BLOCKDB_KIND_CONFIG = 6,
};

#endif
