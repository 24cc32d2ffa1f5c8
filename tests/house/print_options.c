/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the option table, a row a line: name, type, default, choices, separated by tabs. */
#include <blockdb/blockdb.h>
#include <stdio.h>

int main(void)
{
    size_t count = 0;
    const struct blockdb_option_info *table = blockdb_option_table(&count);

    for (size_t i = 0; i < count; i++) {
        printf("%s\t%s\t%s\t%s\n", table[i].name, table[i].type, table[i].default_value,
               table[i].choices);
    }
    return 0;
}
