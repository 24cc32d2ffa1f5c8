/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XXH3-64: finds damage, proves nothing (evidence is SHA-256, in crypto/).
 *
 * Threads: immutable.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* XXH3-64 of len bytes. `seed` binds a checksum to its place: a file number, an offset. */
uint64_t checksum(const void *data, size_t len, uint64_t seed);

/* The low 32 bits of checksum(), for small records. */
static inline uint32_t checksum32(const void *data, size_t len, uint64_t seed)
{
    return (uint32_t)checksum(data, len, seed);
}
