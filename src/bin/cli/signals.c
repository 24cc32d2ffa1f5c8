/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/cli/signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

/* A handler has no argument to carry state: this is the one variable that it touches. Atomic, for
 * threads of long work look at it, too. */
static atomic_bool stop_asked;

static void on_stop(int signal_number)
{
    (void)signal_number;
    atomic_store(&stop_asked, true);
}

static void handle(int signal_number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(signal_number, &action, NULL); /* fails for wrong numbers only */
}

void signals_start(void)
{
    /* Without SA_RESTART a blocked read of standard input ends, too. */
    handle(SIGINT, on_stop, (int)SA_RESETHAND);
    handle(SIGTERM, on_stop, (int)SA_RESETHAND);
    handle(SIGPIPE, SIG_IGN, 0);
}

bool signals_stop_asked(void)
{
    return atomic_load(&stop_asked);
}

void signals_reset(void)
{
    atomic_store(&stop_asked, false);
    signals_start();
}

void signals_die_of_pipe(void)
{
    handle(SIGPIPE, SIG_DFL, 0);
    (void)raise(SIGPIPE);
}
