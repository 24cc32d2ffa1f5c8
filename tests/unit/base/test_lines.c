/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of text from outside. */
#include "base/lines.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void assert_text(struct slice got, const char *want)
{
    assert_true(slice_equal(got, slice_of_text(want)));
}

static void lines_in_order(void **state)
{
    struct lines lines = lines_of(slice_of_text("one\n\nthree\n"));
    struct slice line;

    assert_int_equal(lines.number, 0);
    assert_true(lines_next(&lines, &line));
    assert_text(line, "one");
    assert_true(lines_next(&lines, &line));
    assert_text(line, "");
    assert_int_equal(lines.number, 2);
    assert_true(lines_left(&lines));
    assert_true(lines_next(&lines, &line));
    assert_text(line, "three");
    assert_int_equal(lines.number, 3);
    assert_false(lines_left(&lines));
    assert_false(lines_next(&lines, &line));
    assert_text(line, "three");
    assert_int_equal(lines.number, 3);
}

static void the_rest_without_a_newline(void **state)
{
    struct lines lines = lines_of(slice_of_text("one\ntwo"));
    struct slice line;

    assert_true(lines_next(&lines, &line));
    assert_false(lines_next(&lines, &line));
    assert_text(line, "one");
    assert_int_equal(lines.number, 1);
    assert_true(lines_left(&lines));
    assert_text(lines.left, "two");
}

static void no_text_at_all(void **state)
{
    struct lines lines = lines_of(slice_of(NULL, 0));
    struct slice line = slice_of_text("untouched");

    assert_false(lines_left(&lines));
    assert_false(lines_next(&lines, &line));
    assert_text(line, "untouched");
}

static void parts_between_separators(void **state)
{
    struct slice text = slice_of_text("a+bc++d");
    struct slice part;

    assert_true(slice_take_until(&text, '+', &part));
    assert_text(part, "a");
    assert_true(slice_take_until(&text, '+', &part));
    assert_text(part, "bc");
    assert_true(slice_take_until(&text, '+', &part));
    assert_text(part, "");
    assert_false(slice_take_until(&text, '+', &part));
    assert_text(part, "");
    assert_text(text, "d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_in_order),
        cmocka_unit_test(the_rest_without_a_newline),
        cmocka_unit_test(no_text_at_all),
        cmocka_unit_test(parts_between_separators),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
