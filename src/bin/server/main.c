/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/server/program.h"

#include <unistd.h>

int main(int argc, char **argv)
{
    return program_main(argc, argv, environ);
}
