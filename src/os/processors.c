/* SPDX-License-Identifier: Apache-2.0 */
#include "os/os.h"

#include <sched.h>

unsigned os_processor_count(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0 || CPU_COUNT(&set) < 1) {
        return 1;
    }
    return (unsigned)CPU_COUNT(&set);
}
