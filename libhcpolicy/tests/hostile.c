// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Objects that somebody has made to do harm before anything is loaded: their BTF and symbols tell
 * of parameters that are not there.
 */
#include <elf.h>
#include <linux/btf.h>
#include <sys/mman.h>
#include <unistd.h>
#include "policy.h"
#include "random.h"

#define MAX_OBJECT	(256 << 10)

static char object[MAX_OBJECT];
static size_t object_size;

static void read_object(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, object, sizeof(object));

	CHECK(n > (ssize_t)sizeof(Elf64_Ehdr) && n < MAX_OBJECT);
	object_size = n;
	close(fd);
}

/* What is in object, opened. */
static struct hcpolicy *open_object(void)
{
	struct hcpolicy *policy;
	char path[32];
	int fd = memfd_create("object", 0);

	CHECK(fd >= 0 && write(fd, object, object_size) == (ssize_t)object_size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	logged[0] = 0;
	policy = hcpolicy__open(path, &log_opts);
	close(fd);
	return policy;
}

/* The object "tagged", in which tag stands instead of its own. */
static void read_tagged(const char *tag)
{
	static const char own[] = "hcp:param 1 1000 own";
	char *at;

	read_object(OBJECT("tagged"));
	at = memmem(object, object_size, own, sizeof(own) - 1);
	CHECK(at);
	strcpy(at, tag);
}

/* Has it a parameter of that name? */
static bool has_param(struct hcpolicy *policy, const char *name, struct hcpolicy_param *param)
{
	unsigned int n = 0;

	while (hcpolicy__param(policy, n, param) && strcmp(param->name, name))
		n++;
	return hcpolicy__param(policy, n, param);
}

TEST(a_tag_that_makes_no_sense_is_refused_by_name)
{
	static const char *const bad[] = {
		"hcp:param ", "hcp:param 1", "hcp:param 1 ", "hcp:param x 5 help", "hcp:param 1 x help",
		"hcp:param 1,5 help", "hcp:param 1 5help", "hcp:param 2 1 help",
		"hcp:param 0 65536 help", "hcp:param -1 5 help", "hcp:param 0 -1 help",
		"hcp:param 0 99999999999999999999999 help",
		"hcp:param 0 5 \033[2J", "hcp:param 0 5 two\nlines", "hcp:param 0 5 \177",
		"hcp:param 0 5 \302\233",
	};
	char longest[256] = "hcp:param 0 5 ";
	struct hcpolicy_param param;
	struct hcpolicy *policy;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		read_tagged(bad[i]);
		CHECK(!open_object() && errno == EINVAL);
		CHECK(said("parameter 'tagged': its tag is not"));
	}
	memset(longest + strlen(longest), 'x', 200);
	read_tagged(longest);
	CHECK(!open_object() && errno == EINVAL);

	read_tagged("hcp:param 0 0xffff all of it: \303\244");
	policy = open_object();
	CHECK(policy && has_param(policy, "tagged", &param));
	CHECK(!strcmp(param.min, "0") && !strcmp(param.max, "65535") &&
	      !strcmp(param.help, "all of it: \303\244"));
	CHECK_ERR(hcpolicy__set_param(policy, "tagged", "65536"), ERANGE);
	hcpolicy__close(policy);
}

TEST(a_policy_that_says_too_much_is_refused)
{
	static const char own[] = "hcp:about says little";
	char *at;

	read_tagged("hcp:param 1 1000 own");
	at = memmem(object, object_size, own, sizeof(own) - 1);
	CHECK(at);
	at[10] = '\033';
	CHECK(!open_object() && errno == EINVAL);
	CHECK(said("what it says of itself"));

	read_object(OBJECT("many"));
	CHECK(!open_object() && errno == EINVAL);
	CHECK(said("it has more than 64 parameters"));
}

static Elf64_Shdr *section(const char *name)
{
	Elf64_Ehdr *file = (void *)object;
	Elf64_Shdr *s = (void *)(object + file->e_shoff);
	const char *names = object + s[file->e_shstrndx].sh_offset;
	int i;

	for (i = 0; i < file->e_shnum; i++)
		if (!strcmp(names + s[i].sh_name, name))
			return &s[i];
	return NULL;
}

/* An integer's name is shown as the type of a parameter. */
TEST(a_type_whose_name_is_no_text_is_no_parameters)
{
	static const char type[] = "unsigned short";
	struct hcpolicy_param param;
	struct hcpolicy *policy;
	char *at;

	read_tagged("hcp:param 1 1000 own");
	at = memmem(object, object_size, type, sizeof(type));
	CHECK(at);
	*at = '\033';
	policy = open_object();
	CHECK(policy && !has_param(policy, "tagged", &param));
	hcpolicy__close(policy);
}

TEST(an_error_has_no_control_characters_of_the_object)
{
	static const char *const names[] = { "kvm_hcpolicy_ops", "sample_ops" };
	size_t i, len;
	char *at;

	read_tagged("hcp:param 1 1000 own");
	for (i = 0; i < 2; i++) {
		len = strlen(names[i]) + 1;
		for (at = object; (at = memmem(at, object + object_size - at, names[i], len)); at++)
			*at = '\033';
	}
	CHECK(!open_object());
	CHECK(*logged && !strchr(logged, '\033'));
}

/* In UTF-8 a control of 8 bits has two, and half of one is a control to a terminal that knows no UTF-8. */
TEST(nor_half_of_one)
{
	CHECK(!hcpolicy__open("./\xc2\x9b", &log_opts));
	CHECK(*logged && !strchr(logged, '\xc2') && !strchr(logged, '\x9b'));
}

/* BTF says where libbpf has put the program.  Nothing but that says how large the map's value is. */
TEST(a_program_outside_the_struct_is_not_read)
{
	static const uint32_t places[] = { 0x7fffffc0, 0xffffffc0, 1 << 20, 4 };
	static const char name[] = "\0map_gpa_range";	/* and no other name's end */
	const struct btf_header *btf;
	uint32_t name_off, *word, *end;
	Elf64_Shdr *s;
	size_t i;
	char *at;

	for (i = 0; i < sizeof(places) / sizeof(*places); i++) {
		read_tagged("hcp:param 1 1000 own");
		s = section(".BTF");
		CHECK(s && section(".rel.struct_ops.link"));
		section(".rel.struct_ops.link")->sh_size = 0;
		btf = (void *)(object + s->sh_offset);
		at = (char *)btf + btf->hdr_len + btf->str_off;
		name_off = (char *)memmem(at, btf->str_len, name, sizeof(name)) + 1 - at;
		word = (void *)((char *)btf + btf->hdr_len + btf->type_off);
		for (end = word + btf->type_len / 4 - 2; word < end; word++)
			if (*word == name_off)
				word[2] = places[i];	/* a member: its name, its type, its place */
		CHECK(!open_object());
	}
}

/* All that a user can do with an object before it is loaded. */
static bool use_object(void)
{
	struct hcpolicy *policy = open_object();
	struct hcpolicy_param param;
	unsigned int n;

	if (!policy)
		return false;
	CHECK(hcpolicy__about(policy));
	for (n = 0; hcpolicy__param(policy, n, &param); n++) {
		CHECK(n < 64 && *param.name && param.help && strlen(param.value) < HCPOLICY_NUMBER_LEN);
		hcpolicy__set_param(policy, param.name, param.max);
		hcpolicy__set_param(policy, param.name, "1");
	}
	hcpolicy__close(policy);
	return true;
}

/* Each variable of the object lies where its symbol says. */
TEST(a_variable_outside_its_section_is_no_parameter)
{
	static const uint64_t places[] = { 1, 1 << 16, 0x7ffffff8, 0xfffffff8, 0xfffffffffffffff8 };
	struct hcpolicy_param param;
	struct hcpolicy *policy;
	Elf64_Shdr *symbols;
	Elf64_Sym *sym;
	size_t i, n, opened = 0;

	for (i = 0; i < sizeof(places) / sizeof(*places); i++) {
		read_tagged("hcp:param 1 1000 own");
		symbols = section(".symtab");
		CHECK(symbols);
		sym = (void *)(object + symbols->sh_offset);
		for (n = 0; n < symbols->sh_size / sizeof(*sym); n++)
			if (!strcmp(object + section(".strtab")->sh_offset + sym[n].st_name, "tagged"))
				break;
		CHECK(n < symbols->sh_size / sizeof(*sym));
		sym[n].st_value = places[i];
		policy = open_object();
		if (!policy)
			continue;	/* libbpf has seen it */
		CHECK(!has_param(policy, "tagged", &param));
		CHECK_ERR(hcpolicy__set_param(policy, "tagged", "1"), ENOENT);
		hcpolicy__close(policy);
		opened++;
	}
	CHECK(opened);
}

TEST(objects_with_damaged_BTF_do_no_harm)
{
	int round, i, opened = 0, rounds = 3000;
	uint64_t seed = 1;
	Elf64_Shdr *s;

	for (round = 0; round < rounds; round++) {
		read_tagged("hcp:param 1 1000 own");
		s = section(round % 4 ? ".BTF" : ".symtab");
		CHECK(s);
		for (i = 0; i <= round % 3; i++)
			object[s->sh_offset + rnd(&seed) % s->sh_size] = rnd(&seed);
		opened += use_object();
	}
	printf("# %d of %d objects were opened\n", opened, rounds);
	CHECK(opened > rounds / 100 && opened < rounds);
}

TAP_MAIN
