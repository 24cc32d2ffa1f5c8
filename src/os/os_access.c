/* SPDX-License-Identifier: Apache-2.0 */
#include "os/os.h"

#include <unistd.h>

bool os_may_write(const char *path)
{
    return access(path, W_OK) == 0;
}
