// SPDX-License-Identifier: GPL-2.0
/*
 * A request is anybody's bytes until it has passed here: message.h.  Afterwards each text is one that
 * a log and a terminal show as it is, ends, and has nothing behind its end.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "message.h"

#define KNOWN_FLAGS	(HCP_BROKER_TAKE_EXITS | HCP_BROKER_INCOMING)
#define DIGITS		"0123456789"
#define LETTERS		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

__attribute__((format(printf, 3, 4)))
static int wrong(char *why, size_t size, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, size, fmt, args);
	va_end(args);
	return EPROTO;
}

static bool is_text(const char *text, size_t size)
{
	size_t i = 0;

	while (i < size && text[i] >= ' ' && text[i] <= '~')
		i++;
	if (i == size)
		return false;
	while (i < size && !text[i])
		i++;
	return i == size;
}

/* No path: the operator says where policies are. */
static bool is_policy(const char *name)
{
	return *name && *name != '-' && strspn(name, LETTERS DIGITS "_-") == strlen(name);
}

/* KEY=VALUE.  Those behind the last one are "". */
static bool are_params(const struct hcp_broker_request *request)
{
	bool last = false;

	for (size_t i = 0; i < HCP_BROKER_PARAMS; i++) {
		const char *param = request->params[i];

		if (!is_text(param, HCP_BROKER_PARAM_LEN) || (last && *param))
			return false;
		last = !*param;
		if (*param && (*param == '=' || !strchr(param, '=')))
			return false;
	}
	return true;
}

int message_check(const struct hcp_broker_request *request, size_t len, char *why, size_t size)
{
	if (len >= sizeof(request->version) && request->version != HCP_BROKER_VERSION)
		return wrong(why, size, "the request is of version %u, and this broker knows version %u: the library and "
			     "hcpolicyd must be of one version of hcpolicy", request->version, HCP_BROKER_VERSION);
	if (len != sizeof(*request))
		return wrong(why, size, "the request has %zu bytes, and one of version %u has %zu", len,
			     HCP_BROKER_VERSION, sizeof(*request));
	if (request->flags & ~KNOWN_FLAGS || request->reserved)
		return wrong(why, size, "the request has flags that version %u does not know", HCP_BROKER_VERSION);
	if (!is_text(request->policy, sizeof(request->policy)) || !is_policy(request->policy))
		return wrong(why, size, "the policy is not named by letters, digits, _ and -");
	if (!is_text(request->name, sizeof(request->name)))
		return wrong(why, size, "the name of the attachment is not printable, or has no end");
	if (!is_text(request->label, sizeof(request->label)))
		return wrong(why, size, "the label is not printable, or has no end");
	if (!are_params(request))
		return wrong(why, size, "a parameter is not KEY=VALUE in printable text, or there is a gap before it");
	return 0;
}
