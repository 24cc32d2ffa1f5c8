/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/line_editor.h"

#include "base/mem.h"
#include "bin/cli/signals.h"

#include <dlfcn.h>
#include <histedit.h>
#include <stdio.h>

#define LIBRARY "libedit.so.2"
#define HISTORY_LINES 1000
#define LISTED_MAX 60

/* The functions of libedit that are used, found by name. */
struct libedit {
    void *handle;
    EditLine *(*el_init)(const char *, FILE *, FILE *, FILE *);
    void (*el_end)(EditLine *);
    const char *(*el_gets)(EditLine *, int *);
    int (*el_set)(EditLine *, int, ...);
    int (*el_get)(EditLine *, int, ...);
    const LineInfo *(*el_line)(EditLine *);
    int (*el_insertstr)(EditLine *, const char *);
    void (*el_deletestr)(EditLine *, int);
    History *(*history_init)(void);
    void (*history_end)(History *);
    int (*history)(History *, HistEvent *, int, ...);
};

struct line_editor {
    struct line_editor_options options;
    struct libedit lib;
    EditLine *el;
    History *history;
};

void line_candidates_add(struct line_candidates *candidates, struct slice word)
{
    size_t before = candidates->words.len;

    if (buf_append_slice(&candidates->words, word) < 0 ||
        buf_append_u8(&candidates->words, 0) < 0) {
        candidates->words.len = before;
        return;
    }
    candidates->count++;
}

/* Finds one function; false when the library has none of that name. */
static bool find(void *handle, const char *name, void *out_function)
{
    void *symbol = dlsym(handle, name);

    memcpy(out_function, &symbol, sizeof(symbol));
    return symbol != NULL;
}

static bool libedit_load(struct libedit *lib)
{
    lib->handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    return lib->handle != NULL && find(lib->handle, "el_init", &lib->el_init) &&
           find(lib->handle, "el_end", &lib->el_end) &&
           find(lib->handle, "el_gets", &lib->el_gets) &&
           find(lib->handle, "el_set", &lib->el_set) && find(lib->handle, "el_get", &lib->el_get) &&
           find(lib->handle, "el_line", &lib->el_line) &&
           find(lib->handle, "el_insertstr", &lib->el_insertstr) &&
           find(lib->handle, "el_deletestr", &lib->el_deletestr) &&
           find(lib->handle, "history_init", &lib->history_init) &&
           find(lib->handle, "history_end", &lib->history_end) &&
           find(lib->handle, "history", &lib->history);
}

/* How many bytes all candidates have in common. */
static size_t common_len(const struct line_candidates *candidates)
{
    const char *first = (const char *)candidates->words.data;
    const char *word = first;
    size_t common = strlen(first);
    size_t i;

    for (i = 1; i < candidates->count; i++) {
        size_t len = 0;

        word += strlen(word) + 1;
        while (len < common && word[len] == first[len]) {
            len++;
        }
        common = len;
    }
    return common;
}

static void list_candidates(const struct line_candidates *candidates)
{
    const char *word = (const char *)candidates->words.data;
    size_t i;

    (void)fputc('\n', stdout);
    for (i = 0; i < candidates->count && i < LISTED_MAX; i++) {
        (void)fprintf(stdout, "%s  ", word);
        word += strlen(word) + 1;
    }
    (void)fputs(candidates->count > LISTED_MAX ? "...\n" : "\n", stdout);
    (void)fflush(stdout);
}

/* Replaces the word before the cursor as far as the candidates agree. */
static unsigned char apply_candidates(struct line_editor *editor,
                                      const struct line_candidates *candidates)
{
    AUTO(mem_free_ptr) char *text = NULL;
    size_t len;

    if (candidates->count == 0) {
        if (candidates->hint == NULL) {
            return CC_REFRESH_BEEP;
        }
        (void)fprintf(stdout, "\n%s\n", candidates->hint);
        (void)fflush(stdout);
        return CC_REDISPLAY;
    }
    len = common_len(candidates);
    if (candidates->count > 1 && len <= candidates->word_len) {
        list_candidates(candidates);
        return CC_REDISPLAY;
    }
    text = mem_alloc(len + 2);
    if (text == NULL) {
        return CC_ERROR;
    }
    memcpy(text, candidates->words.data, len);
    memcpy(text + len, candidates->count == 1 ? " " : "", candidates->count == 1 ? 2 : 1);
    editor->lib.el_deletestr(editor->el, (int)candidates->word_len);
    return editor->lib.el_insertstr(editor->el, text) == 0 ? CC_REFRESH : CC_ERROR;
}

static unsigned char complete_with(struct line_editor *editor)
{
    const LineInfo *info = editor->lib.el_line(editor->el);
    struct line_candidates candidates = {0};
    unsigned char result;

    editor->options.complete(editor->options.context,
                             slice_of(info->buffer, (size_t)(info->cursor - info->buffer)),
                             &candidates);
    result = apply_candidates(editor, &candidates);
    buf_deinit(&candidates.words);
    return result;
}

/* Callbacks get the EditLine alone, and what it keeps for us is behind el_get(), so that function
 * is looked up again. The library stays loaded meanwhile: the editor holds it, too. */
static struct line_editor *callback_editor(EditLine *el)
{
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    int (*el_get)(EditLine *, int, ...);
    void *editor = NULL;

    if (handle == NULL) {
        return NULL;
    }
    if (find(handle, "el_get", &el_get)) {
        (void)el_get(el, EL_CLIENTDATA, &editor);
    }
    (void)dlclose(handle);
    return editor;
}

static unsigned char on_tab(EditLine *el, int key)
{
    struct line_editor *editor = callback_editor(el);

    (void)key;
    return editor != NULL ? complete_with(editor) : CC_ERROR;
}

static char *prompt_of(EditLine *el)
{
    struct line_editor *editor = callback_editor(el);
    char *prompt = NULL;

    if (editor != NULL) {
        memcpy(&prompt, &editor->options.prompt, sizeof(prompt)); /* libedit does not change it */
    }
    return prompt;
}

static void history_start(struct line_editor *editor)
{
    HistEvent event;

    editor->history = editor->lib.history_init();
    if (editor->history == NULL) {
        return;
    }
    (void)editor->lib.history(editor->history, &event, H_SETSIZE, HISTORY_LINES);
    (void)editor->lib.history(editor->history, &event, H_SETUNIQUE, 1);
    if (editor->options.history_path != NULL) {
        /* A first start has no file; an unreadable one costs the history only. */
        (void)editor->lib.history(editor->history, &event, H_LOAD, editor->options.history_path);
    }
    (void)editor->lib.el_set(editor->el, EL_HIST, editor->lib.history, editor->history);
}

struct line_editor *line_editor_new(const struct line_editor_options *options)
{
    struct line_editor *editor = mem_calloc(1, sizeof(*editor));

    if (editor == NULL) {
        return NULL;
    }
    editor->options = *options;
    if (libedit_load(&editor->lib)) {
        editor->el = editor->lib.el_init("blockdb-cli", stdin, stdout, stderr);
    }
    if (editor->el == NULL) {
        line_editor_free(editor);
        return NULL;
    }
    (void)editor->lib.el_set(editor->el, EL_CLIENTDATA, editor);
    (void)editor->lib.el_set(editor->el, EL_PROMPT, prompt_of);
    (void)editor->lib.el_set(editor->el, EL_EDITOR, "emacs");
    (void)editor->lib.el_set(editor->el, EL_ADDFN, "blockdb-complete", "complete a word", on_tab);
    (void)editor->lib.el_set(editor->el, EL_BIND, "^I", "blockdb-complete", NULL);
    (void)editor->lib.el_set(editor->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    history_start(editor);
    return editor;
}

void line_editor_free(struct line_editor *editor)
{
    HistEvent event;

    if (editor == NULL) {
        return;
    }
    if (editor->history != NULL) {
        if (editor->options.history_path != NULL) {
            /* A history that cannot be saved is no reason to fail. */
            (void)editor->lib.history(editor->history, &event, H_SAVE,
                                      editor->options.history_path);
        }
        editor->lib.history_end(editor->history);
    }
    if (editor->el != NULL) {
        editor->lib.el_end(editor->el);
    }
    if (editor->lib.handle != NULL) {
        (void)dlclose(editor->lib.handle);
    }
    mem_free(editor);
}

int line_editor_read(struct line_editor *editor, struct slice *out)
{
    HistEvent event;
    int count = 0;
    const char *line = editor->lib.el_gets(editor->el, &count);

    if (line == NULL || count <= 0) {
        if (signals_stop_asked()) {
            (void)fputc('\n', stdout);
            return BLOCKDB_ECANCELED;
        }
        return BLOCKDB_ENOTFOUND;
    }
    if (line[0] != '\n' && editor->history != NULL) {
        (void)editor->lib.history(editor->history, &event, H_ENTER, line);
    }
    *out = slice_of(line, (size_t)count);
    if (out->len > 0 && out->data[out->len - 1] == '\n') {
        out->len--;
    }
    return BLOCKDB_OK;
}
