/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FROZEN_H
#define FROZEN_H

#include <stdbool.h>
#include <sys/types.h>

bool thread_frozen(pid_t pid, pid_t tid);

#endif /* FROZEN_H */
