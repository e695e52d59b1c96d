/* SPDX-License-Identifier: GPL-2.0 */
/* hcpolicy auto --check: are the rules right, their policies there, and their parameters what these take? */
#ifndef AUTO_CHECK_H
#define AUTO_CHECK_H

/* conf NULL: the usual file.  The exit status. */
int auto_check(const char *conf);

#endif /* AUTO_CHECK_H */
