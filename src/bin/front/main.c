/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/front/front.h"

#include <unistd.h>

int main(int argc, char **argv)
{
    return front_main(argc, argv, environ);
}
