/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/bench/remote.h"

#include "base/text.h"
#include "bin/bench/meter.h"
#include "bin/bench/plan.h"
#include "os/os.h"

#include <assert.h>
#include <stdio.h>

static_assert(REMOTE_KEY_LEN_MAX >= REMOTE_PREFIX_LEN_MAX + DATASET_KEY_LEN_MAX,
              "a key must fit behind the prefix");

/* REMOTE-1 */
static int make_prefix(struct remote *remote, struct error *err)
{
    uint8_t random[REMOTE_PREFIX_DIGITS / 2];
    char hex[REMOTE_PREFIX_DIGITS + 1];
    int rc = os_random(remote->os, random, sizeof(random), err);

    if (rc < 0) {
        return rc;
    }
    text_format_hex(hex, random, sizeof(random));
    (void)snprintf(remote->prefix, sizeof(remote->prefix), REMOTE_PREFIX "%s/", hex);
    remote->prefix_len = strlen(remote->prefix);
    return BLOCKDB_OK;
}

static int take_given(struct remote *remote, const char *given, bool is_redis, struct error *err)
{
    int len = snprintf(remote->url, sizeof(remote->url), "%s%s", is_redis ? "http://" : "", given);

    if (len < 0 || (size_t)len >= sizeof(remote->url)) {
        return error_set(err, BLOCKDB_EINVAL, "the address of the server is too long");
    }
    return make_prefix(remote, err);
}

static int start_own(struct remote *remote, const struct bench_setup *setup, bool is_redis,
                     struct error *err)
{
    struct scratch_server_options options = {
        .program = setup->server,
        .dir = setup->dir,
        .wal_sync_mode = setup->durability != BLOCKDB_DURABILITY_DEFAULT
                             ? durability_name(setup->durability)
                             : NULL,
        .set = setup->set,
        .set_count = setup->set_count,
    };
    int rc = scratch_server_start(&remote->server, remote->os, &options, err);

    if (rc < 0) {
        return rc;
    }
    remote->is_unsynced = setup->durability == BLOCKDB_DURABILITY_NONE ||
                          setup->durability == BLOCKDB_DURABILITY_INTERVAL;
    (void)snprintf(remote->url, sizeof(remote->url), "http://127.0.0.1:%u",
                   is_redis ? remote->server.redis_port : remote->server.port);
    return BLOCKDB_OK;
}

int remote_open(struct remote *remote, const struct bench_setup *setup, bool is_redis,
                struct error *err)
{
    const char *given = is_redis ? setup->redis : setup->url;

    *remote = (struct remote){.os = os_real(), .token_file = setup->token_file};
    return given != NULL ? take_given(remote, given, is_redis, err)
                         : start_own(remote, setup, is_redis, err);
}

int remote_close(struct remote *remote, struct error *err)
{
    return scratch_server_stop(&remote->server, err);
}

struct slice remote_key_of(const struct remote *remote, struct slice key, struct remote_key *out)
{
    if (remote->prefix_len == 0) {
        return key;
    }
    memcpy(out->bytes, remote->prefix, remote->prefix_len);
    memcpy(out->bytes + remote->prefix_len, key.data, key.len);
    return slice_of(out->bytes, remote->prefix_len + key.len);
}

int64_t remote_process(const struct remote *remote)
{
    return remote->server.process > 0 ? remote->server.process : METER_NONE;
}

void remote_note_seq(struct remote *remote, uint64_t seq_count)
{
    uint64_t known = atomic_load_explicit(&remote->seq_count, memory_order_relaxed);

    while (known < seq_count &&
           !atomic_compare_exchange_weak_explicit(&remote->seq_count, &known, seq_count,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}
