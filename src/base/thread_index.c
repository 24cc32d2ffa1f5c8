/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread_index.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define WORD_BITS 64
#define WORDS (THREAD_INDEX_MAX / WORD_BITS)

/* One bit per number: set while a thread owns it. Process-wide, so that a thread that ends never
 * touches an object that may be freed at that moment. */
static _Atomic uint64_t taken[WORDS];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* constant after once; its value is number + 1 */
static bool key_exists;   /* constant after once */
static __thread unsigned own_number_plus_1;

static void release(unsigned number)
{
    (void)atomic_fetch_and_explicit(&taken[number / WORD_BITS],
                                    ~((uint64_t)1 << number % WORD_BITS), memory_order_release);
}

static void at_thread_end(void *value)
{
    own_number_plus_1 = 0;
    release((unsigned)((uintptr_t)value - 1));
}

static void create_key(void)
{
    key_exists = pthread_key_create(&key, at_thread_end) == 0;
}

/* Takes the lowest free bit of one word; false when there is none. */
static bool take_from_word(_Atomic uint64_t *word, unsigned *out_bit)
{
    uint64_t bits = atomic_load_explicit(word, memory_order_relaxed);

    while (bits != UINT64_MAX) {
        unsigned bit = (unsigned)__builtin_ctzll(~bits);

        if (atomic_compare_exchange_weak_explicit(word, &bits, bits | (uint64_t)1 << bit,
                                                  memory_order_acquire, memory_order_relaxed)) {
            *out_bit = bit;
            return true;
        }
    }
    return false;
}

static __attribute__((noinline)) unsigned take(void)
{
    unsigned word;
    unsigned bit;

    (void)pthread_once(&once, create_key); /* cannot fail with valid arguments */
    for (word = 0; key_exists && word < WORDS; word++) {
        unsigned number;

        if (!take_from_word(&taken[word], &bit)) {
            continue;
        }
        number = word * WORD_BITS + bit;
        if (pthread_setspecific(key, (void *)((uintptr_t)number + 1)) != 0) {
            release(number);
            return THREAD_INDEX_NONE;
        }
        own_number_plus_1 = number + 1;
        return number;
    }
    return THREAD_INDEX_NONE;
}

unsigned thread_index(void)
{
    unsigned own = own_number_plus_1;

    return __builtin_expect(own != 0, 1) ? own - 1 : take();
}
