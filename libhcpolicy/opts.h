/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* Options structs that begin with their own size. */
#ifndef HCPOLICY_OPTS_H
#define HCPOLICY_OPTS_H

#include <errno.h>
#include <stddef.h>

/* A caller built with a later header must not ask for what we do not know. */
static inline int check_opts(const void *opts, size_t sz, size_t known)
{
	const char *bytes = opts;
	size_t i;

	if (sz < known)
		return -EINVAL;
	for (i = known; i < sz; i++) {
		if (bytes[i])
			return -E2BIG;
	}
	return 0;
}

#endif /* HCPOLICY_OPTS_H */
