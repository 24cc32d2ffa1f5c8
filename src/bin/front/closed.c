/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a static program cannot have, closed: shared libraries, and the system's look-up of names,
 * which loads some. The linker takes these functions in place of base/library.c and libc's.
 *
 * The front does not ask for either; a server that sends it to another node may make it, and then
 * the whole program takes over.
 *
 * Threads: any thread.
 */
#include "base/library.h"

#include <netdb.h>

int library_load(const struct library *library, void *out_functions, struct error *err)
{
    return error_set(err, BLOCKDB_EUNSUPPORTED, "%s cannot be loaded by this program",
                     library->name);
}

int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
    return EAI_FAIL;
}

void freeaddrinfo(struct addrinfo *found)
{
    (void)found; /* there never is any */
}

const char *gai_strerror(int code)
{
    return "this program looks up no names";
}
