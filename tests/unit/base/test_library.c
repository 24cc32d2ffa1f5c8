/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Libraries loaded when needed: LIB-1, LIB-2, what is missing, and threads that load at once.
 */
#include "base/bytes.h"
#include "base/library.h"
#include "base/mem.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define THREADS 8

struct math_functions {
    LIBRARY_FUNCTION(cbrt);
    LIBRARY_FUNCTION(hypot);
};

static const char *const sonames[] = {"libblockdb-no-such-library.so.9", "libm.so.6", NULL};
static const char *const symbols[] = {"cbrt", "hypot"};

#define MATH_LIBRARY                                                                               \
    {                                                                                              \
        .name = "the C library's libm", .package = "libc6", .sonames = sonames,                    \
        .symbols = symbols, .symbol_count = 2,                                                     \
    }

static void assert_math(const struct math_functions *math)
{
    assert_true(fabs(math->cbrt(27.0) - 3.0) < 1e-9);
    assert_true(fabs(math->hypot(3.0, 4.0) - 5.0) < 1e-9);
}

static bool always(void *context)
{
    return true;
}

static void the_first_that_is_there(void **state)
{
    static const struct library library = MATH_LIBRARY;
    struct math_functions math = {0};
    struct error err;

    for (int i = 0; i < 3; i++) {
        memset(&math, 0, sizeof math);
        assert_int_equal(library_load(&library, &math, &err), BLOCKDB_OK);
        assert_math(&math);
    }
    /* What was found once needs no memory any more. */
    mem_set_fail_hook(always, NULL);
    assert_int_equal(library_load(&library, &math, &err), BLOCKDB_OK);
    mem_set_fail_hook(NULL, NULL);
}

static void short_of_memory(void **state)
{
    static const struct library library = MATH_LIBRARY;
    struct math_functions math = {0};
    struct error err;

    mem_set_fail_hook(always, NULL);
    assert_int_equal(library_load(&library, &math, &err), BLOCKDB_ENOMEM);
    mem_set_fail_hook(NULL, NULL);
    assert_null(math.cbrt);
    assert_int_equal(library_load(&library, &math, NULL), BLOCKDB_OK);
    assert_math(&math);
}

static void no_such_library(void **state)
{
    static const char *const none[] = {"libblockdb-no-such-library.so.9", NULL};
    static const struct library library = {.name = "the library of nobody",
                                           .package = "libnobody9",
                                           .sonames = none,
                                           .symbols = symbols,
                                           .symbol_count = 2};
    struct math_functions math = {0};
    struct error err;

    for (int i = 0; i < 20; i++) { /* does not use up room for others */
        assert_int_equal(library_load(&library, &math, &err), BLOCKDB_EUNSUPPORTED);
    }
    assert_non_null(strstr(err.message, "the library of nobody"));
    assert_non_null(strstr(err.message, "libnobody9"));
    assert_int_equal(library_load(&library, &math, NULL), BLOCKDB_EUNSUPPORTED);
    assert_null(math.cbrt);
}

static void no_such_function(void **state)
{
    static const char *const some[] = {"cbrt", "no_such_function"};
    static const struct library library = {.name = "the C library's libm",
                                           .package = "libc6",
                                           .sonames = sonames,
                                           .symbols = some,
                                           .symbol_count = 2};
    struct math_functions math = {0};
    struct error err;

    assert_int_equal(library_load(&library, &math, &err), BLOCKDB_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "no_such_function"));
    assert_non_null(strstr(err.message, "libc6"));
    assert_null(math.cbrt);
}

static void *load_in_a_thread(void *arg)
{
    static const struct library library = MATH_LIBRARY;
    struct math_functions *math = arg;

    return library_load(&library, math, NULL) == BLOCKDB_OK ? arg : NULL;
}

static void many_threads_at_once(void **state)
{
    struct math_functions math[THREADS] = {0};
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, load_in_a_thread, &math[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *result = NULL;

        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, &math[i]);
        assert_math(&math[i]);
        assert_memory_equal(&math[i], &math[0], sizeof math[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_is_there), cmocka_unit_test(short_of_memory),
        cmocka_unit_test(no_such_library),         cmocka_unit_test(no_such_function),
        cmocka_unit_test(many_threads_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
