/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * Option structs that begin with their own size, as in libbpf.  A caller that was built with
 * an earlier header has a shorter struct; the missing options are 0.  One that was built with
 * a later header must not set options that we do not know: everything after our last option,
 * including reserved bytes, must be 0.
 */
#ifndef HCPOLICY_OPTS_H
#define HCPOLICY_OPTS_H

#include <errno.h>
#include <stddef.h>

static inline int check_opts(const void *opts, size_t sz, size_t known)
{
	const char *bytes = opts;
	size_t i;

	if (sz < sizeof(sz))
		return -EINVAL;
	for (i = known; i < sz; i++) {
		if (bytes[i])
			return -E2BIG;
	}
	return 0;
}

/* Reserved bytes.  They stand in the middle once options were added after them. */
static inline int check_unused(const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len--) {
		if (*at++)
			return -E2BIG;
	}
	return 0;
}

#define opts_end(opts, field)	(offsetof(typeof(*(opts)), field) + sizeof((opts)->field))

/* last: the last option in the struct. */
#define opts_check(opts, last)	\
	((opts) ? check_opts(opts, (opts)->sz, opts_end(opts, last)) : 0)

#define opts_unused(opts, field)	\
	((opts) && (opts)->sz >= opts_end(opts, field) ? \
	 check_unused((opts)->field, sizeof((opts)->field)) : 0)

#define opts_get(opts, field)	\
	((opts) && (opts)->sz >= opts_end(opts, field) ? (opts)->field : 0)

#endif /* HCPOLICY_OPTS_H */
