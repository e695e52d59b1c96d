/* SPDX-License-Identifier: GPL-2.0 */
/* watch --all: the events of every attachment, in one stream, until *stop. */
#ifndef WATCH_ALL_H
#define WATCH_ALL_H

#include <signal.h>
#include <stdbool.h>

/* False: an error, which was reported. */
bool watch_all(const volatile sig_atomic_t *stop);

#endif /* WATCH_ALL_H */
