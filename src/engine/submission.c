/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/submission.h"

#include "base/mem.h"
#include "engine/db.h"

#include <stddef.h>

/* What a waiting submission may hold on to (SUBM-1). */
#define KEPT_RECORD_BYTES 2048
#define KEPT_ENTRIES 8

void submission_pool_init(struct submission_pool *pool)
{
    *pool = (struct submission_pool){0};
    mutex_init(&pool->mu, LOCK_RANK_ARENA);
}

static void free_list(struct submission *list)
{
    while (list != NULL) {
        struct submission *next = list->next;

        batch_deinit(&list->batch);
        mem_free(list);
        list = next;
    }
}

void submission_pool_deinit(struct submission_pool *pool)
{
    free_list(pool->first);
    mutex_deinit(&pool->mu);
}

struct submission *submission_of_request(struct commit_request *request)
{
    return (struct submission *)(void *)((char *)request - offsetof(struct submission, request));
}

static bool is_worth_keeping(const struct blockdb_batch *batch)
{
    return batch->records.cap <= KEPT_RECORD_BYTES && batch->entry_cap <= KEPT_ENTRIES &&
           batch->condition_cap <= KEPT_ENTRIES && batch->condition_keys.cap <= KEPT_RECORD_BYTES;
}

void submission_free_all(struct submission_pool *pool, struct submission *list)
{
    struct submission *too_much = NULL;
    struct submission *kept = NULL;
    struct submission *last = NULL;
    size_t count = 0;

    while (list != NULL) {
        struct submission *next = list->next;
        struct submission **to = is_worth_keeping(&list->batch) ? &kept : &too_much;

        if (to == &kept) {
            blockdb_batch_reset(&list->batch);
            last = last != NULL ? last : list;
            count++;
        }
        list->next = *to;
        *to = list;
        list = next;
    }
    if (kept != NULL) {
        mutex_lock(&pool->mu);
        if (pool->count + count <= SUBMISSIONS_KEPT) {
            last->next = pool->first;
            pool->first = kept;
            pool->count += count;
            kept = NULL;
        }
        mutex_unlock(&pool->mu);
    }
    free_list(kept);
    free_list(too_much);
}

struct blockdb_batch *blockdb_batch_new(struct blockdb *db)
{
    struct submission_pool *pool = &db->submissions;
    struct submission *s;

    mutex_lock(&pool->mu);
    s = pool->first;
    if (s != NULL) {
        pool->first = s->next;
        pool->count--;
    }
    mutex_unlock(&pool->mu);
    if (s == NULL) {
        s = mem_alloc(sizeof(*s));
        if (s == NULL) {
            return NULL;
        }
        batch_init(&s->batch, db);
    }
    s->next = NULL;
    return &s->batch;
}

void blockdb_batch_free(struct blockdb_batch *batch)
{
    if (batch != NULL) {
        submission_free_all(&batch->db->submissions, submission_of_batch(batch));
    }
}
