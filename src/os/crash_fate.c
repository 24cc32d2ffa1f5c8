/* SPDX-License-Identifier: Apache-2.0 */
#include "os/crash_disk.h"

enum mood {
    MOOD_ALL,
    MOOD_NONE,
    MOOD_PREFIX,
    MOOD_EACH,
};

/* Different questions about one change must have independent answers. */
enum question {
    QUESTION_HOLDS = 1,
    QUESTION_DATA,
    QUESTION_SECTORS,
    QUESTION_CUT,
    QUESTION_MOOD,
    QUESTION_CHANCE,
};

/* A well mixed number from three. */
static uint64_t mix(uint64_t seed, uint64_t serial, enum question question)
{
    uint64_t x = seed + serial * 0x9e3779b97f4a7c15ULL + (uint64_t)question * 0xd1342543de82ef95ULL;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

static uint64_t change_serial(const struct crash_node *node, size_t position)
{
    return node->is_dir
               ? ((const struct crash_name_change *)(const void *)node->changes.data)[position]
                     .serial
               : ((const struct crash_file_change *)(const void *)node->changes.data)[position]
                     .serial;
}

/* The serial of one pending change, each equally likely; 0 when there is none. */
static uint64_t pick_pending(const struct crash_disk *d, uint64_t number)
{
    size_t total = 0;
    int round;

    for (round = 0; round < 2; round++) {
        size_t target = total > 0 ? (size_t)(number % total) : 0;
        size_t seen = 0;
        uint32_t i;

        for (i = 0; i < d->count; i++) {
            const struct crash_node *node = d->nodes[i];
            size_t item = node != NULL && node->is_dir ? sizeof(struct crash_name_change)
                                                       : sizeof(struct crash_file_change);
            size_t count = node != NULL ? node->changes.len / item : 0;

            if (round == 1 && target < seen + count) {
                return change_serial(node, target - seen);
            }
            seen += count;
        }
        total = seen;
        if (total == 0) {
            return 0;
        }
    }
    return 0;
}

struct crash_fate crash_fate_of(const struct crash_disk *d, uint64_t seed)
{
    static const unsigned chances[] = {128, 128, 32, 224};
    struct crash_fate fate = {.seed = seed};
    uint64_t number = mix(seed, 0, QUESTION_MOOD) % 16;

    fate.mood = number == 0   ? MOOD_ALL
                : number == 1 ? MOOD_NONE
                : number < 6  ? MOOD_PREFIX
                              : MOOD_EACH;
    fate.hold_of_256 = chances[mix(seed, 0, QUESTION_CHANCE) % 4];
    if (fate.mood == MOOD_PREFIX) {
        fate.cut_serial = pick_pending(d, mix(seed, 0, QUESTION_CUT));
    }
    return fate;
}

static bool holds(const struct crash_fate *fate, uint64_t serial, enum question question)
{
    switch ((enum mood)fate->mood) {
    case MOOD_ALL:
        return true;
    case MOOD_NONE:
        return false;
    case MOOD_PREFIX:
        return serial < fate->cut_serial ||
               (serial == fate->cut_serial && mix(fate->seed, serial, question) % 2 == 0);
    case MOOD_EACH:
        break;
    }
    return mix(fate->seed, serial, question) % 256 < fate->hold_of_256;
}

bool crash_fate_holds(const struct crash_fate *fate, uint64_t serial)
{
    return holds(fate, serial, QUESTION_HOLDS);
}

bool crash_fate_sector_holds(const struct crash_fate *fate, uint64_t serial, size_t sector,
                             size_t count)
{
    uint64_t tear = mix(fate->seed, serial, QUESTION_DATA) >> 8;
    bool may_tear = fate->mood == MOOD_EACH ||
                    (fate->mood == MOOD_PREFIX && serial == fate->cut_serial);

    switch (may_tear ? tear % 4 : 0) {
    case 1: /* any subset of the sectors */
        return mix(mix(fate->seed, serial, QUESTION_SECTORS), sector, QUESTION_SECTORS) % 2 == 0;
    case 2: /* the first ones */
        return sector < (tear >> 8) % (count + 1);
    default: /* whole or absent */
        return holds(fate, serial, QUESTION_DATA);
    }
}
