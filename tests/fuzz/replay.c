/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without a fuzzer: on every file of a corpus, on every prefix of it, and with
 * every byte changed, so that an ordinary compiler checks what the fuzzer found before.
 *
 * Usage: replay_<name> DIRECTORY. Files above MUTATED_BYTES_MAX are run whole only. Inputs are
 * exact heap copies, for AddressSanitizer to see each byte read beyond the end.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUTATED_BYTES_MAX 4096
#define PATH_BYTES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = calloc(1, size > 0 ? size : 1);

    if (copy == NULL) {
        abort();
    }
    if (size > 0) {
        memcpy(copy, data, size);
    }
    (void)LLVMFuzzerTestOneInput(copy, size); /* libFuzzer fixes its result to 0 */
    free(copy);
}

static void run_mutations(uint8_t *data, size_t size)
{
    static const uint8_t masks[] = {0x01, 0x80, 0xff};

    for (size_t len = 0; len < size; len++) {
        run_copy(data, len);
    }
    for (size_t i = 0; i < size; i++) {
        for (size_t m = 0; m < sizeof(masks); m++) {
            data[i] ^= masks[m];
            run_copy(data, size);
            data[i] ^= masks[m];
        }
    }
}

/* Returns the whole file, freed by the caller, or NULL with errno set. */
static uint8_t *read_file(const char *path, size_t *out_size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    long size = -1;

    if (file == NULL) {
        return NULL;
    }
    if (fseek(file, 0, SEEK_END) == 0) {
        size = ftell(file);
    }
    if (size >= 0 && fseek(file, 0, SEEK_SET) == 0) {
        data = malloc((size_t)size + 1);
    }
    if (data != NULL && fread(data, 1, (size_t)size, file) != (size_t)size) {
        free(data);
        data = NULL;
        errno = EIO;
    }
    (void)fclose(file); /* only read from */
    *out_size = (size_t)size;
    return data;
}

static int run_file(const char *path)
{
    size_t size;
    uint8_t *data = read_file(path, &size);

    if (data == NULL) {
        fprintf(stderr, "cannot read '%s': %s\n", path, strerror(errno));
        return -1;
    }
    run_copy(data, size);
    if (size <= MUTATED_BYTES_MAX) {
        run_mutations(data, size);
    }
    free(data);
    return 0;
}

static int run_directory(const char *directory)
{
    DIR *dir = opendir(directory);
    struct dirent *item;
    int files = 0;
    int rc = 0;

    if (dir == NULL) {
        fprintf(stderr, "cannot list '%s': %s\n", directory, strerror(errno));
        return -1;
    }
    while (rc == 0 && (item = readdir(dir)) != NULL) {
        char path[PATH_BYTES_MAX];

        if (item->d_name[0] == '.') {
            continue;
        }
        if (snprintf(path, sizeof(path), "%s/%s", directory, item->d_name) >= (int)sizeof(path)) {
            fprintf(stderr, "path too long in '%s'\n", directory);
            rc = -1;
        } else {
            rc = run_file(path);
            files++;
        }
    }
    (void)closedir(dir); /* only read from */
    printf("%d files replayed\n", files);
    return rc == 0 && files > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    run_copy(NULL, 0);
    return run_directory(argv[1]) == 0 ? 0 : 1;
}
