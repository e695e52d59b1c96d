// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * A policy's parameters are integers in three sections of its object: fixed ones in .rodata; those
 * that may change while it is attached in .data.settings; and what it counts itself in
 * .data.counters.  BTF has their names and types, and a declaration tag has range and help: see
 * HCP_PARAM(), HCP_SETTING() and HCP_COUNTER() in hcpolicy.bpf.h.
 *
 * The values of an opened object are in libbpf's memory.  Those of a policy that was found are in
 * its maps, and the kernel has their BTF.
 *
 * Nothing of this is trusted: whoever wrote the object wrote its BTF, and people see the texts on
 * their terminals.  An object with a tag that makes no sense is not opened.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/btf.h>
#include "internal.h"

#define TAG_PARAM	"hcp:param "
#define TAG_ABOUT	"hcp:about "
#define MAX_PARAMS	64
#define MAX_TEXT	200

struct section {
	const struct btf *btf;
	const struct btf_type *sec;
	char *data;
	size_t size;
};

struct param {
	const char *name, *help;
	const struct btf_type *type;
	char *at;
	__u32 offset;		/* of at in the section */
	bool is_signed, is_bool;
	enum hcpolicy_param_kind kind;
	long min, max;		/* if it is unsigned: an unsigned long's bits */
};

static const char *const sections[] = {
	[HCPOLICY_FIXED] = PARAMS_FIXED, [HCPOLICY_TUNABLE] = PARAMS_TUNABLE,
	[HCPOLICY_COUNTER] = PARAMS_COUNTERS,
};
#define NSECTIONS (sizeof(sections) / sizeof(*sections))

/* The text behind prefix of a tag of that type; NULL: it has none. */
static const char *find_tag(const struct btf *btf, __u32 id, const char *prefix)
{
	const struct btf_type *type;
	const char *text;
	__u32 i;

	for (i = 1; i < btf__type_cnt(btf); i++) {
		type = btf__type_by_id(btf, i);
		if (!btf_is_decl_tag(type) || type->type != id)
			continue;
		text = btf__name_by_offset(btf, type->name_off);
		if (!strncmp(text, prefix, strlen(prefix)))
			return text + strlen(prefix);
	}
	return NULL;
}

static bool opened_section(const struct hcpolicy *policy, const char *name, struct section *s)
{
	struct bpf_map *map = bpf_object__find_map_by_name(policy->obj, name);
	int id;

	s->btf = bpf_object__btf(policy->obj);
	id = btf__find_by_name_kind(s->btf, name, BTF_KIND_DATASEC);
	s->data = map ? bpf_map__initial_value(map, &s->size) : NULL;
	if (id < 0 || !s->data)
		return false;
	s->sec = btf__type_by_id(s->btf, id);
	return true;
}

/* Map section n of a policy that was found.  It stays mapped until close. */
static int found_open(struct hcpolicy *policy, int n)
{
	struct found_section *found = &policy->found[n];
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	int fd;

	if (found->data)
		return 0;
	fd = own_fd(policy, sections[n]);
	if (fd < 0)
		return fd;
	if (bpf_map_get_info_by_fd(fd, &info, &len) || !info.btf_id || info.max_entries != 1)
		return -ENOENT;
	if (!found->btf)
		found->btf = btf__load_from_kernel_by_id(info.btf_id);
	if (!found->btf)
		return -errno;
	found->type_id = info.btf_value_type_id;
	found->data = mmap(NULL, info.value_size, n == HCPOLICY_TUNABLE ? PROT_READ | PROT_WRITE : PROT_READ,
			   MAP_SHARED, fd, 0);
	if (found->data == MAP_FAILED) {
		found->data = NULL;
		return -errno;
	}
	found->size = info.value_size;
	return 0;
}

static bool found_section(struct hcpolicy *policy, int n, struct section *s)
{
	if (found_open(policy, n))
		return false;
	s->btf = policy->found[n].btf;
	s->sec = btf__type_by_id(s->btf, policy->found[n].type_id);
	s->data = policy->found[n].data;
	s->size = policy->found[n].size;
	return s->sec && btf_is_datasec(s->sec);
}

void params_close(struct hcpolicy *policy)
{
	size_t n;

	for (n = 0; n < NSECTIONS; n++) {
		btf__free(policy->found[n].btf);
		if (policy->found[n].data)
			munmap(policy->found[n].data, policy->found[n].size);
		policy->found[n] = (struct found_section) {};
	}
}

static void type_range(struct param *p)
{
	unsigned int unused = 64 - 8 * p->type->size;

	p->min = p->is_signed ? LONG_MIN >> unused : 0;
	p->max = p->is_signed ? LONG_MAX >> unused : (long)(ULONG_MAX >> unused);
	if (p->is_bool)
		p->max = 1;
}

static bool below(const struct param *p, long a, long b)
{
	return p->is_signed ? a < b : (unsigned long)a < (unsigned long)b;
}

/* What a terminal shows as it is, and not endless. */
static bool is_text(const char *text)
{
	size_t i;

	for (i = 0; text[i]; i++)
		if (i == MAX_TEXT || is_control(text + i))
			return false;
	return true;
}

/* "MIN MAX help": numbers as C has them, of the type.  No compiler has checked that. */
static bool tag_range(struct param *p, const char *tag)
{
	char *mid, *end;
	long min, max;

	min = p->is_signed ? strtol(tag, &mid, 0) : (long)strtoul(tag, &mid, 0);
	mid += strspn(mid, "UL");
	max = p->is_signed ? strtol(mid, &end, 0) : (long)strtoul(mid, &end, 0);
	end += strspn(end, "UL");
	if (mid == tag || end == mid || (*end && *end != ' ') || !is_text(end) ||
	    below(p, max, min) || below(p, min, p->min) || below(p, p->max, max))
		return false;
	p->min = min;
	p->max = max;
	p->help = end + strspn(end, " ");
	return true;
}

static bool is_name(const char *name)
{
	size_t i;

	for (i = 0; name && name[i]; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_')
			return false;
	return i && i < HCP_NAME_LEN;
}

static bool has_room(const struct section *s, __u32 offset, __u32 size)
{
	return (size == 1 || size == 2 || size == 4 || size == 8) && !(offset % size) &&
	       offset <= s->size && size <= s->size - offset;
}

/*
 * The n-th variable of a section.  1: it is a parameter, that is, global and an integer; 0: it
 * is none; -EINVAL: it has a tag that makes no sense.
 */
static int get_param(const struct section *s, int n, struct param *p)
{
	const struct btf_var_secinfo *info = btf_var_secinfos(s->sec) + n;
	const struct btf_type *var = btf__type_by_id(s->btf, info->type);
	const char *tag;
	int type;

	if (!var || !btf_is_var(var) || btf_var(var)->linkage == BTF_VAR_STATIC)
		return 0;
	type = btf__resolve_type(s->btf, info->type);
	p->type = type < 0 ? NULL : btf__type_by_id(s->btf, type);
	p->name = btf__name_by_offset(s->btf, var->name_off);
	if (!p->type || !btf_is_int(p->type) || !has_room(s, info->offset, p->type->size) ||
	    !is_name(p->name) || !is_text(btf__name_by_offset(s->btf, p->type->name_off)))
		return 0;
	p->at = s->data + info->offset;
	p->offset = info->offset;
	p->is_signed = btf_int_encoding(p->type) & BTF_INT_SIGNED;
	p->is_bool = btf_int_encoding(p->type) & BTF_INT_BOOL;
	p->help = "";
	type_range(p);
	tag = find_tag(s->btf, info->type, TAG_PARAM);
	return !tag || tag_range(p, tag) ? 1 : -EINVAL;
}

/* The n-th parameter of all sections, or the one with the name key. */
static bool find_param(struct hcpolicy *policy, unsigned int n, const char *key, struct param *p)
{
	struct section s;
	size_t i;
	int v;

	for (i = 0; i < NSECTIONS; i++) {
		if (!(policy->obj ? opened_section(policy, sections[i], &s) : found_section(policy, i, &s)))
			continue;
		for (v = 0; v < btf_vlen(s.sec); v++) {
			if (get_param(&s, v, p) <= 0)
				continue;
			p->kind = i;
			if (key ? !strcmp(p->name, key) : !n--)
				return true;
		}
	}
	return false;
}

/* May the types of a policy that was found not be read?  Then it seems to have no parameter. */
static bool unreadable(struct hcpolicy *policy)
{
	size_t n;

	for (n = 0; !policy->obj && n < NSECTIONS; n++)
		if (found_open(policy, n) == -EPERM)
			return true;
	return false;
}

static int no_access(struct hcpolicy *policy)
{
	return fail(policy, EPERM, "to read its parameters and counters needs CAP_SYS_ADMIN");
}

static void print_number(char buf[HCPOLICY_NUMBER_LEN], const struct param *p, long number)
{
	if (p->is_bool)
		snprintf(buf, HCPOLICY_NUMBER_LEN, "%s", number ? "true" : "false");
	else
		snprintf(buf, HCPOLICY_NUMBER_LEN, p->is_signed ? "%ld" : "%lu", number);
}

static long load_number(const struct param *p)
{
	unsigned int unused = 64 - 8 * p->type->size;
	unsigned long bits = 0;

	memcpy(&bits, p->at, p->type->size);
	return p->is_signed ? (long)(bits << unused) >> unused : (long)bits;
}

/* Atomic, because the program may read it meanwhile. */
static void store_number(const struct param *p, long number)
{
	switch (p->type->size) {
	case 1:
		__atomic_store_n((uint8_t *)p->at, number, __ATOMIC_RELAXED);
		break;
	case 2:
		__atomic_store_n((uint16_t *)p->at, number, __ATOMIC_RELAXED);
		break;
	case 4:
		__atomic_store_n((uint32_t *)p->at, number, __ATOMIC_RELAXED);
		break;
	case 8:
		__atomic_store_n((uint64_t *)p->at, number, __ATOMIC_RELAXED);
		break;
	}
}

bool hcpolicy__param(struct hcpolicy *policy, unsigned int n, struct hcpolicy_param *param)
{
	struct param p;

	if (!policy || !param) {
		errno = EINVAL;
		return false;
	}
	if (!find_param(policy, n, NULL, &p)) {
		errno = unreadable(policy) ? EPERM : 0;
		return false;
	}
	param->name = p.name;
	param->type = btf__name_by_offset(policy->obj ? bpf_object__btf(policy->obj) :
					  policy->found[p.kind].btf, p.type->name_off);
	param->help = p.help;
	param->kind = p.kind;
	param->offset = p.offset;
	print_number(param->value, &p, load_number(&p));
	print_number(param->min, &p, p.min);
	print_number(param->max, &p, p.max);
	return true;
}

int params_counter(struct hcpolicy *policy, const char *name, uint64_t *value)
{
	struct param p;

	if (!find_param(policy, 0, name, &p) || p.kind != HCPOLICY_COUNTER)
		return unreadable(policy) ? no_access(policy) :
					    fail(policy, ENOENT, "it has no counter '%s'", name);
	*value = load_number(&p);
	return 0;
}

int params_check(struct hcpolicy *policy)
{
	struct section s;
	unsigned int found = 0;
	struct param p;
	size_t i;
	int v, ret;

	if (!is_text(hcpolicy__about(policy)))
		return fail(policy, EINVAL, "what it says of itself is longer than %d bytes, or no text", MAX_TEXT);
	for (i = 0; i < NSECTIONS; i++) {
		if (!opened_section(policy, sections[i], &s))
			continue;
		for (v = 0; v < btf_vlen(s.sec) && found <= MAX_PARAMS; v++) {
			ret = get_param(&s, v, &p);
			if (ret < 0)
				return fail(policy, EINVAL, "parameter '%s': its tag is not 'hcp:param MIN MAX "
					    "TEXT' with a range of its type: write it by HCP_PARAM()", p.name);
			found += ret;
		}
	}
	return found <= MAX_PARAMS ? 0 : fail(policy, EINVAL, "it has more than %d parameters", MAX_PARAMS);
}

const char *hcpolicy__about(const struct hcpolicy *policy)
{
	const struct btf *btf;
	int id;

	if (!policy || !policy->obj)
		return "";
	btf = bpf_object__btf(policy->obj);
	id = btf__find_by_name_kind(btf, bpf_map__name(policy->ops), BTF_KIND_VAR);
	return (id < 0 ? NULL : find_tag(btf, id, TAG_ABOUT)) ?: "";
}

static int no_param(struct hcpolicy *policy, const char *key)
{
	char list[512] = "";
	struct param p;
	unsigned int n;
	size_t len = 0;

	if (unreadable(policy))
		return no_access(policy);
	for (n = 0; len < sizeof(list) && find_param(policy, n, NULL, &p) && p.kind != HCPOLICY_COUNTER; n++)
		len += snprintf(list + len, sizeof(list) - len, "%s%s", n ? ", " : "", p.name);
	if (!len)
		return fail(policy, ENOENT, "it has no parameters, so '%s' cannot be set", key);
	return fail(policy, ENOENT, "it has no parameter '%s'; it has: %s", key, list);
}

/* -EINVAL: not a number; -ERANGE: out of range. */
static int parse_value(const struct param *p, const char *value, long *out)
{
	char *end;

	if (p->is_bool && (!strcmp(value, "true") || !strcmp(value, "false"))) {
		*out = !strcmp(value, "true");
		return 0;
	}

	/* strtoul() would accept white space and an empty text, and wrap a negative number. */
	if (!strchr("-0123456789", value[0]) || !value[0])
		return -EINVAL;
	errno = 0;
	*out = p->is_signed ? strtol(value, &end, 0) : (long)strtoul(value, &end, 0);
	if (*end || end == value)
		return -EINVAL;
	if (errno)
		return -ERANGE;
	if (p->is_signed)
		return *out < p->min || *out > p->max ? -ERANGE : 0;
	return (value[0] == '-' && *out) || (unsigned long)*out < (unsigned long)p->min ||
	       (unsigned long)*out > (unsigned long)p->max ? -ERANGE : 0;
}

int hcpolicy__set_param(struct hcpolicy *policy, const char *key, const char *value)
{
	char min[HCPOLICY_NUMBER_LEN], max[HCPOLICY_NUMBER_LEN];
	bool loaded;
	struct param p;
	long number;
	int err;

	if (!policy || !key || !value)
		return no_object();
	loaded = !policy->obj || policy->shared_fd >= 0;
	if (!find_param(policy, 0, key, &p) || p.kind == HCPOLICY_COUNTER)
		return no_param(policy, key);
	if (loaded && p.kind == HCPOLICY_FIXED)
		return fail(policy, EBUSY, "parameter '%s' is fixed once the policy is loaded: replace it by "
			    "one that has %s=%s", key, key, value);
	err = parse_value(&p, value, &number);
	if (err == -ERANGE) {
		print_number(min, &p, p.min);
		print_number(max, &p, p.max);
		return fail(policy, ERANGE, "parameter '%s': %s does not fit: %s to %s", key, value, min, max);
	}
	if (err)
		return fail(policy, EINVAL, "parameter '%s': '%s' is not %s", key, value,
			    p.is_bool ? "true or false" : "a number");
	store_number(&p, number);
	return 0;
}
