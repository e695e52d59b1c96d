/* SPDX-License-Identifier: GPL-2.0 */
/* What a file of rules does not show of itself: are the policies there, and do they take the parameters? */
#ifndef CHECK_H
#define CHECK_H

#include "rules.h"

/* For rules_read(): a rule that is wrong spoils only itself, so this warns. */
bool check_warn(const struct rule *rule);
/* hcpolicyd --check.  The exit status. */
int check_rules(const char *conf);

#endif /* CHECK_H */
