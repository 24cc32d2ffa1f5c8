/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/line_editor.h"

#include "base/library.h"
#include "base/mem.h"
#include "bin/cli/signals.h"

#include <assert.h>
#include <histedit.h>
#include <stdio.h>

#define HISTORY_LINES 1000
#define LISTED_MAX 60

/* The functions of libedit that are used, in the order of symbol_names. */
struct libedit {
    LIBRARY_FUNCTION(el_init);
    LIBRARY_FUNCTION(el_end);
    LIBRARY_FUNCTION(el_gets);
    LIBRARY_FUNCTION(el_set);
    LIBRARY_FUNCTION(el_get);
    LIBRARY_FUNCTION(el_line);
    LIBRARY_FUNCTION(el_insertstr);
    LIBRARY_FUNCTION(el_deletestr);
    LIBRARY_FUNCTION(history_init);
    LIBRARY_FUNCTION(history_end);
    LIBRARY_FUNCTION(history);
};

static const char *const symbol_names[] = {
    "el_init",      "el_end",       "el_gets",      "el_set",      "el_get",  "el_line",
    "el_insertstr", "el_deletestr", "history_init", "history_end", "history",
};

#define SYMBOL_COUNT (sizeof symbol_names / sizeof *symbol_names)
static_assert(sizeof(struct libedit) == SYMBOL_COUNT * sizeof(void *), "each function has a name");

static const char *const sonames[] = {"libedit.so.2", NULL};

static const struct library libedit = {
    .name = "libedit",
    .package = "libedit2",
    .sonames = sonames,
    .symbols = symbol_names,
    .symbol_count = SYMBOL_COUNT,
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

/* Callbacks get the EditLine alone, and what it keeps for us is behind el_get(), so that the
 * functions are asked for again; the library is loaded, since it calls. */
static struct line_editor *callback_editor(EditLine *el)
{
    struct libedit lib;
    void *editor = NULL;

    if (library_load(&libedit, &lib, NULL) == BLOCKDB_OK) {
        (void)lib.el_get(el, EL_CLIENTDATA, &editor);
    }
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
    if (library_load(&libedit, &editor->lib, NULL) == BLOCKDB_OK) {
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
