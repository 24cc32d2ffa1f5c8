/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/bench_engine.h"

#include "base/text.h"

static const struct bench_engine *const engines[] = {
    &bench_engine_blockdb, &bench_engine_http, &bench_engine_redis,
#ifdef BENCH_WITH_ROCKSDB
    &bench_engine_rocksdb,
#endif
#ifdef BENCH_WITH_LEVELDB
    &bench_engine_leveldb,
#endif
#ifdef BENCH_WITH_LMDB
    &bench_engine_lmdb,
#endif
#ifdef BENCH_WITH_SQLITE
    &bench_engine_sqlite,
#endif
};

/* All that could be built in, and the Debian package that it needs. */
static const char *const known[][2] = {
    {"rocksdb", "librocksdb-dev"},
    {"leveldb", "libleveldb-dev"},
    {"lmdb", "liblmdb-dev"},
    {"sqlite", "libsqlite3-dev"},
};

const struct bench_engine *const *bench_engine_table(size_t *out_count)
{
    *out_count = sizeof(engines) / sizeof(engines[0]);
    return engines;
}

int bench_engine_find(const char *name, const struct bench_engine **out, struct error *err)
{
    size_t i;

    for (i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
        if (strcmp(engines[i]->name, name) == 0) {
            *out = engines[i];
            return BLOCKDB_OK;
        }
    }
    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i][0], name) == 0) {
            return error_set(err, BLOCKDB_EUNSUPPORTED,
                             "engine '%s' is not built into this blockdb-bench: install %s and "
                             "build again with -Dpeers=enabled, or leave it out with --engines",
                             name, known[i][1]);
        }
    }
    return error_set(
        err, BLOCKDB_EINVAL,
        "unknown engine '%s'; there are blockdb, http, redis, rocksdb, leveldb, lmdb, sqlite",
        name);
}
