/* SPDX-License-Identifier: Apache-2.0 */
#include "os/os_random.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#define POOL_BYTES 1024
#define POOLED_DRAW_MAX 64 /* longer draws ask the system directly */

/* What this thread drew ahead: the last `left` bytes are unused. */
struct random_pool {
    size_t left;
    unsigned forks; /* value of fork_count when it was filled */
    uint8_t bytes[POOL_BYTES];
};

static __thread struct random_pool pool;
static pthread_once_t once = PTHREAD_ONCE_INIT;
/* Changed only by the sole thread of a forked child. */
static atomic_uint fork_count;

static void count_fork(void)
{
    (void)atomic_fetch_add_explicit(&fork_count, 1, memory_order_relaxed);
}

static void watch_forks(void)
{
    if (pthread_atfork(NULL, NULL, count_fork) != 0) {
        /* No memory to watch: the marker makes every draw ask the system. */
        atomic_store_explicit(&fork_count, UINT32_MAX, memory_order_relaxed);
    }
}

static int draw(uint8_t *out, size_t len, struct error *err)
{
    while (len > 0) {
        ssize_t n = getrandom(out, len, 0);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return error_set_errno(err, errno, "cannot draw random bytes from the system");
        }
        out += n;
        len -= (size_t)n;
    }
    return BLOCKDB_OK;
}

int os_random_real(void *out, size_t len, struct error *err)
{
    unsigned forks;
    uint8_t *from;

    (void)pthread_once(&once, watch_forks); /* cannot fail with valid arguments */
    forks = atomic_load_explicit(&fork_count, memory_order_relaxed);
    if (len > POOLED_DRAW_MAX || forks == UINT32_MAX) {
        return draw(out, len, err);
    }
    if (pool.left < len || pool.forks != forks) {
        int rc = draw(pool.bytes, POOL_BYTES, err);

        if (rc < 0) {
            pool.left = 0;
            return rc;
        }
        pool.left = POOL_BYTES;
        pool.forks = forks;
    }
    from = pool.bytes + POOL_BYTES - pool.left;
    memcpy(out, from, len);
    explicit_bzero(from, len);
    pool.left -= len;
    return BLOCKDB_OK;
}
