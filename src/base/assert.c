/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void assert_failed(const char *file, int line, const char *condition)
{
    (void)fprintf(stderr, "blockdb: assertion failed at %s:%d: %s\n", file, line, condition);
    abort();
}
