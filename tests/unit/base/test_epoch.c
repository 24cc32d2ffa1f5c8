/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing is freed while a reader may hold it; everything is freed in the end. */
#include "base/epoch.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/thread_index.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define OK(call) assert_int_equal((call), BLOCKDB_OK)

struct object {
    struct epoch_link link;
    int number;
};

/* Order in which objects were freed, in single-threaded tests. */
struct freed {
    int count;
    int numbers[1000];
};

static struct freed freed;

static struct object *object_new(int number)
{
    struct object *object = mem_alloc(sizeof(*object));

    assert_non_null(object);
    object->number = number;
    return object;
}

static void object_free(void *p)
{
    struct object *object = p;

    freed.numbers[freed.count++] = object->number;
    mem_free(object);
}

static void retire(struct epoch *e, int number)
{
    struct object *object = object_new(number);

    epoch_retire_later(e, &object->link, object, object_free);
}

static void test_nothing_goes_while_a_reader_is_inside(void **state)
{
    struct epoch *e = epoch_new();

    (void)state;
    freed.count = 0;
    epoch_enter(e);
    epoch_enter(e);
    assert_true(epoch_inside(e));
    retire(e, 1);
    assert_int_equal(epoch_pending(e), 1);
    assert_int_equal(epoch_collect(e), 0);
    epoch_leave(e);
    assert_int_equal(epoch_collect(e), 0);
    epoch_leave(e);
    assert_false(epoch_inside(e));
    assert_int_equal(epoch_collect(e), 1);
    assert_int_equal(epoch_pending(e), 0);
    epoch_free(e);
    epoch_free(NULL);
}

static void test_later_readers_do_not_hold_it_up(void **state)
{
    struct epoch *e = epoch_new();

    (void)state;
    freed.count = 0;
    retire(e, 1);
    assert_int_equal(epoch_collect(e), 1);
    epoch_enter(e);
    retire(e, 2);
    assert_int_equal(epoch_collect(e), 0); /* inside when it was retired */
    epoch_leave(e);
    epoch_enter(e); /* after it was tagged */
    assert_int_equal(epoch_collect(e), 1);
    retire(e, 3);
    epoch_leave(e);
    epoch_free(e);
    assert_int_equal(freed.count, 3);
}

static void test_freed_in_order(void **state)
{
    struct epoch *e = epoch_new();
    int i;

    (void)state;
    freed.count = 0;
    for (i = 0; i < 300; i++) {
        struct object *object = object_new(i);

        epoch_retire(e, &object->link, object, object_free);
    }
    assert_in_range(freed.count, 200, 300); /* in batches, by the retirer itself */
    epoch_enter(e);
    for (i = 300; i < 600; i++) {
        struct object *object = object_new(i);

        epoch_retire(e, &object->link, object, object_free);
    }
    epoch_leave(e);
    epoch_free(e);
    assert_int_equal(freed.count, 600);
    for (i = 0; i < 600; i++) {
        assert_int_equal(freed.numbers[i], i);
    }
}

struct parent {
    struct epoch_link link;
    struct epoch *epoch;
};

static void parent_free(void *p)
{
    struct parent *parent = p;

    retire(parent->epoch, 7);
    mem_free(parent);
}

static void test_free_functions_may_retire(void **state)
{
    struct epoch *e = epoch_new();
    struct parent *parent = mem_alloc(sizeof(*parent));

    (void)state;
    freed.count = 0;
    parent->epoch = e;
    epoch_retire(e, &parent->link, parent, parent_free);
    epoch_free(e);
    assert_int_equal(freed.count, 1);
}

static void test_domains_are_apart(void **state)
{
    struct epoch *a = epoch_new();
    struct epoch *b = epoch_new();

    (void)state;
    freed.count = 0;
    epoch_enter(a);
    assert_true(epoch_inside(a));
    assert_false(epoch_inside(b));
    retire(b, 1);
    assert_int_equal(epoch_collect(b), 1);
    epoch_leave(a);
    epoch_free(a);
    epoch_free(b);
}

static bool always(void *context)
{
    (void)context;
    return true;
}

static void test_without_memory_readers_are_counted(void **state)
{
    struct epoch *e = epoch_new();

    (void)state;
    freed.count = 0;
    mem_set_fail_hook(always, NULL);
    assert_null(epoch_new());
    epoch_enter(e);
    mem_set_fail_hook(NULL, NULL);
    assert_true(epoch_inside(e));
    retire(e, 1);
    assert_int_equal(epoch_collect(e), 0);
    epoch_enter(e); /* gets a slot now, inside the counted section */
    assert_int_equal(epoch_collect(e), 0);
    epoch_leave(e);
    assert_int_equal(epoch_collect(e), 0);
    epoch_leave(e);
    assert_false(epoch_inside(e));
    assert_int_equal(epoch_collect(e), 1);
    epoch_free(e);
}

#define READERS 4
#define CELLS 8
#define ALIVE 0x600d600d

struct cell {
    struct epoch_link link;
    _Atomic unsigned mark; /* relaxed: ALIVE until freed */
    unsigned plain;        /* a plain field: a thread sanitizer sees a read after the free */
};

struct race {
    struct epoch *epoch;
    _Atomic(struct cell *) cells[CELLS];
    atomic_bool stop;
    atomic_int freed;
};

/* Process-wide for the free function, which gets the object alone. */
static atomic_int cells_freed;

static void cell_free(void *p)
{
    struct cell *cell = p;

    atomic_store_explicit(&cell->mark, 0, memory_order_relaxed);
    cell->plain = 0;
    mem_free(cell);
    atomic_fetch_add(&cells_freed, 1);
}

static struct cell *cell_new(void)
{
    struct cell *cell = mem_alloc(sizeof(*cell));

    atomic_init(&cell->mark, ALIVE);
    cell->plain = ALIVE;
    return cell;
}

static void *read_cells(void *arg)
{
    struct race *race = arg;
    unsigned i = 0;

    while (!atomic_load_explicit(&race->stop, memory_order_relaxed)) {
        struct cell *cell;

        epoch_enter(race->epoch);
        cell = atomic_load_explicit(&race->cells[i++ % CELLS], memory_order_acquire);
        if (cell->plain != ALIVE ||
            atomic_load_explicit(&cell->mark, memory_order_relaxed) != ALIVE) {
            abort();
        }
        epoch_leave(race->epoch);
    }
    return NULL;
}

static void *replace_cells(void *arg)
{
    struct race *race = arg;
    int i;

    for (i = 0; i < 5000; i++) {
        struct cell *old = atomic_exchange_explicit(&race->cells[i % CELLS], cell_new(),
                                                    memory_order_acq_rel);

        epoch_retire(race->epoch, &old->link, old, cell_free);
        if (i % 1000 == 0) {
            epoch_synchronize(race->epoch);
        }
    }
    return NULL;
}

static void test_readers_and_writers_race(void **state)
{
    struct race race = {.epoch = epoch_new()};
    pthread_t readers[READERS];
    pthread_t writers[2];
    int i;

    (void)state;
    atomic_store(&cells_freed, 0);
    for (i = 0; i < CELLS; i++) {
        atomic_init(&race.cells[i], cell_new());
    }
    for (i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, read_cells, &race), 0);
    }
    for (i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&writers[i], NULL, replace_cells, &race), 0);
    }
    for (i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(writers[i], NULL), 0);
    }
    atomic_store(&race.stop, true);
    for (i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    }
    for (i = 0; i < CELLS; i++) {
        struct cell *cell = atomic_load(&race.cells[i]);

        epoch_retire(race.epoch, &cell->link, cell, cell_free);
    }
    epoch_free(race.epoch);
    assert_int_equal(atomic_load(&cells_freed), 10000 + CELLS);
}

#define CROWD 200 /* more than the first two chunks of slots hold */

struct crowd {
    struct epoch *epoch;
    pthread_barrier_t inside;
    pthread_barrier_t checked;
    atomic_uint highest;
};

static void *stand_inside(void *arg)
{
    struct crowd *crowd = arg;
    unsigned index = thread_index();
    unsigned highest = atomic_load(&crowd->highest);

    while (index > highest && !atomic_compare_exchange_weak(&crowd->highest, &highest, index)) {
    }
    epoch_enter(crowd->epoch);
    (void)pthread_barrier_wait(&crowd->inside);
    (void)pthread_barrier_wait(&crowd->checked);
    epoch_leave(crowd->epoch);
    return NULL;
}

static void test_many_threads_get_slots_and_give_them_back(void **state)
{
    struct crowd crowd = {.epoch = epoch_new()};
    pthread_t threads[CROWD];
    int round;

    (void)state;
    for (round = 0; round < 3; round++) {
        int i;

        freed.count = 0;
        assert_int_equal(pthread_barrier_init(&crowd.inside, NULL, CROWD + 1), 0);
        assert_int_equal(pthread_barrier_init(&crowd.checked, NULL, CROWD + 1), 0);
        for (i = 0; i < CROWD; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, stand_inside, &crowd), 0);
        }
        (void)pthread_barrier_wait(&crowd.inside);
        retire(crowd.epoch, 1);
        assert_int_equal(epoch_collect(crowd.epoch), 0);
        (void)pthread_barrier_wait(&crowd.checked);
        for (i = 0; i < CROWD; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        }
        assert_int_equal(epoch_collect(crowd.epoch), 1);
        assert_int_equal(pthread_barrier_destroy(&crowd.inside), 0);
        assert_int_equal(pthread_barrier_destroy(&crowd.checked), 0);
    }
    /* Numbers are reused: three crowds never needed more than one. */
    assert_in_range(atomic_load(&crowd.highest), CROWD - 1, CROWD + 8);
    epoch_free(crowd.epoch);
}

struct sleeper {
    struct epoch *epoch;
    pthread_barrier_t inside;
    atomic_bool left;
};

static void *stay_a_while(void *arg)
{
    struct sleeper *sleeper = arg;
    int i;

    epoch_enter(sleeper->epoch);
    (void)pthread_barrier_wait(&sleeper->inside);
    for (i = 0; i < 200; i++) {
        (void)sched_yield();
    }
    atomic_store(&sleeper->left, true);
    epoch_leave(sleeper->epoch);
    return NULL;
}

static void test_synchronize_waits(void **state)
{
    struct sleeper sleeper = {.epoch = epoch_new()};
    pthread_t thread;

    (void)state;
    epoch_synchronize(sleeper.epoch);
    assert_int_equal(pthread_barrier_init(&sleeper.inside, NULL, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, stay_a_while, &sleeper), 0);
    (void)pthread_barrier_wait(&sleeper.inside);
    epoch_synchronize(sleeper.epoch);
    assert_true(atomic_load(&sleeper.left));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_barrier_destroy(&sleeper.inside), 0);
    epoch_free(sleeper.epoch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_goes_while_a_reader_is_inside),
        cmocka_unit_test(test_later_readers_do_not_hold_it_up),
        cmocka_unit_test(test_freed_in_order),
        cmocka_unit_test(test_free_functions_may_retire),
        cmocka_unit_test(test_domains_are_apart),
        cmocka_unit_test(test_without_memory_readers_are_counted),
        cmocka_unit_test(test_readers_and_writers_race),
        cmocka_unit_test(test_many_threads_get_slots_and_give_them_back),
        cmocka_unit_test(test_synchronize_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
