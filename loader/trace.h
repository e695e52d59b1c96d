/* SPDX-License-Identifier: GPL-2.0 */
/* A trace: requests as text, one a line, which `hcpolicy try` can make again. */
#ifndef TRACE_H
#define TRACE_H

#include <stddef.h>
#include "requests.h"

#define TRACE_LINE	256	/* no line is longer */

/*
 * The line of a request, with its newline; returns its length.  time= counts from begin.  What was
 * to be retried is a comment, because the guest asks again.
 */
size_t trace_line(char line[TRACE_LINE], const struct request *request, __u64 begin);

#endif /* TRACE_H */
