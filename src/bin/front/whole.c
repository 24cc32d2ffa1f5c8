/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/front/whole.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "blockdb-cli-whole"
#define ARGUMENTS_MAX 8 /* of a line that is repeated; the front takes no longer ones */

/* Where it may be, from the folder of this program on: with it, installed, in a build directory. */
static const char *const places[] = {"/", "/" BLOCKDB_WHOLE_DIR "/", "/../cli/"};

/* The folder of this program, without a slash at its end; "" when the system does not tell. */
static void own_folder(char folder[PATH_MAX])
{
    ssize_t len = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    char *slash;

    folder[len > 0 ? len : 0] = '\0';
    slash = strrchr(folder, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
}

/* Returns only when the program is in none of its places, or does not start. */
static void become(char *const *argv, char *const *environment)
{
    char folder[PATH_MAX];
    char path[PATH_MAX];
    size_t i;

    own_folder(folder);
    for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int len = snprintf(path, sizeof(path), "%s%s" NAME, folder, places[i]);

        if (len > 0 && (size_t)len < sizeof(path)) {
            (void)execve(path, argv, environment); /* on success it does not return */
            if (errno != ENOENT) {
                break;
            }
        }
    }
    (void)fprintf(stderr,
                  "blockdb-cli: its larger part, '%s', cannot be started: %s; install "
                  "BlockDB again\n",
                  path, strerror(errno));
}

int whole_start(char *const *argv, const struct write_id *id, char *const *environment)
{
    char option[] = "--request";
    char text[WRITE_ID_TEXT_BYTES];
    char *repeated[ARGUMENTS_MAX + 3];
    size_t count = 0;

    if (id == NULL) {
        become(argv, environment);
        return EXIT_FAILURE;
    }
    while (argv[count] != NULL && count < ARGUMENTS_MAX) {
        repeated[count] = argv[count];
        count++;
    }
    write_id_format(text, id);
    repeated[count++] = option;
    repeated[count++] = text;
    repeated[count] = NULL;
    become(repeated, environment);
    return EXIT_FAILURE;
}
