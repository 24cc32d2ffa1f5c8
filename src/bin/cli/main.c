/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/cli.h"

#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    /* Behind the front its file has another name, but to ps and killall there is one program. */
    (void)prctl(PR_SET_NAME, "blockdb-cli");
    return cli_main(argc, argv, environ);
}
