// SPDX-License-Identifier: GPL-2.0
/* Whom a rule names: who.h. */
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include "text.h"
#include "who.h"

bool who_parse(const char *text, struct who *who)
{
	const char *name = strchr(text, ':');
	struct passwd *user;
	struct group *group;
	int id;

	if (!name++)
		return false;
	who->group = !strncmp(text, "group:", 6);
	if (!who->group && strncmp(text, "user:", 5))
		return false;
	if (parse_int(name, &id)) {
		who->id = id;
		return true;
	}
	user = who->group ? NULL : getpwnam(name);
	group = who->group ? getgrnam(name) : NULL;
	if (user)
		who->id = user->pw_uid;
	if (group)
		who->id = group->gr_gid;
	return user || group;
}
