/* SPDX-License-Identifier: Apache-2.0 */
#include "base/library.h"

#include "base/assert.h"
#include "base/mem.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

/* A library that was loaded; immutable once it is in a slot. */
struct loaded {
    const struct library *library;
    void *handle;
    void *symbols[LIBRARY_SYMBOLS_MAX];
};

/* Filled from the front, never emptied. Release when filled, acquire when read, so that what a slot
 * points to is complete. */
static _Atomic(struct loaded *) slots[LIBRARY_COUNT_MAX];

/* Takes what the loader says of its last failure; never NULL. */
static const char *loader_error(void)
{
    const char *text = dlerror();

    return text != NULL ? text : "the loader gives no reason";
}

static const struct loaded *find(const struct library *library)
{
    size_t i;

    for (i = 0; i < LIBRARY_COUNT_MAX; i++) {
        struct loaded *loaded = atomic_load_explicit(&slots[i], memory_order_acquire);

        if (loaded == NULL) {
            return NULL;
        }
        if (loaded->library == library) {
            return loaded;
        }
    }
    return NULL;
}

static void discard(struct loaded *loaded)
{
    (void)dlclose(loaded->handle); /* another handle of the same library may stay open */
    mem_free(loaded);
}

/* Puts loaded into the first empty slot, unless another thread was faster with the same library;
 * returns what is in the slot then. */
static const struct loaded *publish(struct loaded *loaded)
{
    size_t i;

    for (i = 0; i < LIBRARY_COUNT_MAX; i++) {
        struct loaded *other = NULL;

        if (atomic_compare_exchange_strong_explicit(&slots[i], &other, loaded, memory_order_acq_rel,
                                                    memory_order_acquire)) {
            return loaded;
        }
        if (other->library == loaded->library) {
            discard(loaded);
            return other;
        }
    }
    ASSERT(i < LIBRARY_COUNT_MAX); /* more descriptions than LIBRARY_COUNT_MAX */
    return NULL;
}

static void *open_first(const struct library *library, struct error *err)
{
    size_t i;

    for (i = 0; library->sonames[i] != NULL; i++) {
        void *handle = dlopen(library->sonames[i], RTLD_NOW | RTLD_LOCAL);

        if (handle != NULL) {
            return handle;
        }
    }
    /* The caller sees from the result that it failed. */
    IGNORE_RESULT(error_set(err, BLOCKDB_EUNSUPPORTED,
                            "%s is needed for this and cannot be loaded; install the Debian "
                            "package %s (%s)",
                            library->name, library->package, loader_error()));
    return NULL;
}

static int find_symbols(struct loaded *loaded, struct error *err)
{
    const struct library *library = loaded->library;
    size_t i;

    for (i = 0; i < library->symbol_count; i++) {
        loaded->symbols[i] = dlsym(loaded->handle, library->symbols[i]);
        if (loaded->symbols[i] == NULL) {
            return error_set(err, BLOCKDB_EUNSUPPORTED,
                             "%s is there but has no function %s; install a newer version of the "
                             "Debian package %s (%s)",
                             library->name, library->symbols[i], library->package, loader_error());
        }
    }
    return BLOCKDB_OK;
}

static int load(const struct library *library, const struct loaded **out, struct error *err)
{
    struct loaded *loaded = mem_calloc(1, sizeof *loaded);
    int rc;

    if (loaded == NULL) {
        return error_set_no_memory(err);
    }
    loaded->library = library;
    loaded->handle = open_first(library, err);
    if (loaded->handle == NULL) {
        mem_free(loaded);
        return BLOCKDB_EUNSUPPORTED;
    }
    rc = find_symbols(loaded, err);
    if (rc < 0) {
        discard(loaded);
        return rc;
    }
    *out = publish(loaded);
    return BLOCKDB_OK;
}

int library_load(const struct library *library, void *out_functions, struct error *err)
{
    const struct loaded *loaded = find(library);

    ASSERT(library->symbol_count <= LIBRARY_SYMBOLS_MAX);
    if (loaded == NULL) {
        int rc = load(library, &loaded, err);

        if (rc < 0) {
            return rc;
        }
    }
    memcpy(out_functions, loaded->symbols, library->symbol_count * sizeof *loaded->symbols);
    return BLOCKDB_OK;
}
