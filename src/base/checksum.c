/* SPDX-License-Identifier: Apache-2.0 */
#include "base/checksum.h"

#include <xxhash.h>

uint64_t checksum(const void *data, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, len, seed);
}
