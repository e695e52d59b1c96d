// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Policies as far as they go without the hook: found, opened, set up, refused.
 * Each error is to name what is wrong.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <bpf/btf.h>
#include "policy.h"
#include "../process.h"

#define CHUNK_SIZE	(HCP_CHUNK_WORDS * 8)

static struct hcpolicy *open_sample(void)
{
	struct hcpolicy *policy = hcpolicy__open(OBJECT("sample"), &log_opts);

	CHECK(policy);
	logged[0] = 0;
	return policy;
}

TEST(a_name_is_looked_up_in_hcpolicy_path)
{
	struct hcpolicy *policy;

	setenv("HCPOLICY_PATH", "/nowhere::" OBJECTS, 1);
	policy = hcpolicy__open("sample", &log_opts);
	CHECK(policy && !strcmp(policy->policy, "sample"));
	hcpolicy__close(policy);

	CHECK_NULL(hcpolicy__open("no-such", &log_opts), ENOENT);
	CHECK(said("policy 'no-such': no no-such.bpf.o in HCPOLICY_PATH (/nowhere::" OBJECTS
		   ") or " HCPOLICY_DIR "\n"));
	CHECK_NULL(hcpolicy__open("sample.bpf.o", &log_opts), ENOENT);
	CHECK(said("a file is named with its folder: ./FILE"));

	unsetenv("HCPOLICY_PATH");
	CHECK_NULL(hcpolicy__open("sample", &log_opts), ENOENT);
	CHECK(said("HCPOLICY_PATH (not set) or " HCPOLICY_DIR));
}

TEST(a_slash_makes_a_path)
{
	struct hcpolicy *policy = hcpolicy__open(OBJECT("sample"), NULL);

	CHECK(policy && !strcmp(policy->policy, "sample"));
	hcpolicy__close(policy);
	CHECK_NULL(hcpolicy__open("./sample", &log_opts), ENOENT);
	CHECK(said("policy 'sample': ./sample: No such file"));
	CHECK_NULL(hcpolicy__open(NULL, &log_opts), EINVAL);
	CHECK(said("no policy named"));
}

TEST(what_is_not_a_policy)
{
	CHECK_NULL(hcpolicy__open("/etc/passwd", &log_opts), EINVAL);
	CHECK(said("policy 'passwd': /etc/passwd is not a BPF object"));
	CHECK_NULL(hcpolicy__open("/proc/self/exe", &log_opts), EINVAL);
	CHECK(said("policy 'exe': /proc/self/exe is not a BPF object"));
	CHECK_NULL(hcpolicy__open("/", &log_opts), EINVAL);
	CHECK(said("not a BPF object"));
	CHECK_NULL(hcpolicy__open(OBJECT("without-info"), &log_opts), EINVAL);
	CHECK(said("policy 'without-info': not a policy: it has no map 'hcp_info'"));
	CHECK_NULL(hcpolicy__open(OBJECT("without-ops"), &log_opts), EINVAL);
	CHECK(said("not a policy: it has no struct kvm_hcpolicy_ops"));
	CHECK_NULL(hcpolicy__open(OBJECT("without-member"), &log_opts), EINVAL);
	CHECK(said("not a policy: 'sample' has no map_gpa_range"));
	CHECK_NULL(hcpolicy__open(OBJECT("other-info"), &log_opts), EINVAL);
	CHECK(said("policy 'other-info': it was compiled with another version of hcpolicy.bpf.h: its hcp_info"));
}

/* No byte that an initialiser leaves as it was. */
_Static_assert(sizeof(struct hcpolicy_opts) == offsetof(struct hcpolicy_opts, bpffs) +
	       sizeof(void *), "padding");
_Static_assert(sizeof(struct hcpolicy_attach_opts) ==
	       offsetof(struct hcpolicy_attach_opts, label) + sizeof(void *), "padding");

TEST(options_of_another_version)
{
	struct {
		struct hcpolicy_opts v1;
		long more;
	} opts = { .v1 = log_opts };
	struct {
		struct hcpolicy_attach_opts v1;
		long more;
	} attach = { .v1.sz = sizeof(attach), .v1.name = "a/b" };
	uint8_t *last = &attach.v1.reserved[sizeof(attach.v1.reserved) - 1];
	struct hcpolicy *policy;

	opts.v1.sz = sizeof(opts);
	policy = hcpolicy__open(OBJECT("sample"), &opts.v1);
	CHECK(policy);
	hcpolicy__close(policy);
	opts.more = 1;
	CHECK_NULL(hcpolicy__open(OBJECT("sample"), &opts.v1), E2BIG);
	CHECK_NULL(hcpolicy__open_pinned("name", &opts.v1), E2BIG);
	CHECK_NULL(hcpolicy__open_fds(0, 0, 0, &opts.v1), E2BIG);
	/* What an earlier one does not have is 0, whatever lies there. */
	opts.v1.sz = offsetof(struct hcpolicy_opts, log_ctx) - 1;
	policy = hcpolicy__open(OBJECT("sample"), &opts.v1);
	CHECK(policy && !policy->log && !policy->log_ctx);
	hcpolicy__close(policy);
	opts.v1.sz = sizeof(size_t) - 1;
	CHECK_NULL(hcpolicy__open(OBJECT("sample"), &opts.v1), EINVAL);
	opts.v1.sz = 0;
	CHECK_NULL(hcpolicy__open(OBJECT("sample"), &opts.v1), EINVAL);

	policy = open_sample();
	attach.more = 1;
	CHECK_ERR(hcpolicy__attach(policy, 3, &attach.v1), E2BIG);
	/* Where a later version may have an option. */
	attach.v1.sz = sizeof(attach.v1);
	*last = 1;
	CHECK_ERR(hcpolicy__attach(policy, 3, &attach.v1), E2BIG);
	CHECK(said("options"));
	attach.v1.sz = 1;
	logged[0] = 0;
	CHECK_ERR(hcpolicy__attach(policy, 3, &attach.v1), EINVAL);
	CHECK(said("options"));
	/* The next thing that is wrong: it was never loaded. */
	attach.v1.sz = sizeof(size_t);
	CHECK_ERR(hcpolicy__attach(policy, 3, &attach.v1), EINVAL);
	CHECK(said("only a loaded policy"));
	hcpolicy__close(policy);
}

TEST(the_highest_address_sets_the_size)
{
	struct hcpolicy *policy = open_sample();
	struct bpf_map *map = bpf_object__find_map_by_name(policy->obj, HCP_MAP_SHARED);

	CHECK(bpf_map__max_entries(map) == HCPOLICY_DEFAULT_MAX_GPA >> 27);
	CHECK(!hcpolicy__set_max_gpa(policy, 1) && bpf_map__max_entries(map) == 1);
	CHECK(!hcpolicy__set_max_gpa(policy, 1ULL << 27) && bpf_map__max_entries(map) == 1);
	CHECK(!hcpolicy__set_max_gpa(policy, (1ULL << 27) + 1) && bpf_map__max_entries(map) == 2);
	CHECK(!hcpolicy__set_max_gpa(policy, 1ULL << 52) && bpf_map__max_entries(map) == 1 << 25);
	CHECK_ERR(hcpolicy__set_max_gpa(policy, 0), EINVAL);
	CHECK_ERR(hcpolicy__set_max_gpa(policy, (1ULL << 52) + 1), EINVAL);
	CHECK_ERR(hcpolicy__set_max_gpa(policy, UINT64_MAX), EINVAL);
	CHECK(bpf_map__max_entries(map) == 1 << 25);
	hcpolicy__close(policy);
}

/* What is in .rodata at the variable's place, size bytes of it. */
static long param(const struct hcpolicy *policy, const char *key)
{
	const struct btf *btf = bpf_object__btf(policy->obj);
	const struct btf_type *sec = btf__type_by_id(btf,
		btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC));
	const struct btf_var_secinfo *info = btf_var_secinfos(sec);
	size_t size;
	char *data = bpf_map__initial_value(bpf_object__find_map_by_name(policy->obj, ".rodata"),
					    &size);
	long value = 0;

	for (int i = 0; i < btf_vlen(sec); i++, info++) {
		const struct btf_type *var = btf__type_by_id(btf, info->type);

		if (strcmp(btf__name_by_offset(btf, var->name_off), key))
			continue;
		memcpy(&value, data + info->offset, info->size);
		return value;
	}
	CHECK(!"a variable of that name");
	return 0;
}

TEST(parameters_take_what_fits)
{
	static const struct {
		const char *key, *value;
		int err;
		long then;
	} sets[] = {
		{ "flag", "true", 0, 1 }, { "flag", "0", 0, 0 }, { "flag", "1", 0, 1 },
		{ "flag", "false", 0, 0 }, { "flag", "2", ERANGE, 0 }, { "flag", "-1", ERANGE, 0 },
		{ "flag", "yes", EINVAL, 0 },
		{ "s8", "127", 0, 127 }, { "s8", "-128", 0, 0x80 }, { "s8", "128", ERANGE, 0x80 },
		{ "s8", "-129", ERANGE, 0x80 }, { "s8", "true", EINVAL, 0x80 },
		{ "u16", "65535", 0, 65535 }, { "u16", "0x10", 0, 16 }, { "u16", "65536", ERANGE, 16 },
		{ "u16", "-1", ERANGE, 16 }, { "u16", "-0", 0, 0 },
		{ "s32", "-2147483648", 0, 0x80000000 }, { "s32", "2147483648", ERANGE, 0x80000000 },
		{ "u64", "18446744073709551615", 0, -1 }, { "u64", "-1", ERANGE, -1 },
		{ "u64", "18446744073709551616", ERANGE, -1 },
		{ "s64", "9223372036854775807", 0, __LONG_MAX__ },
		{ "s64", "9223372036854775808", ERANGE, __LONG_MAX__ },
		{ "s64", "", EINVAL, __LONG_MAX__ }, { "s64", "1x", EINVAL, __LONG_MAX__ },
		{ "s64", " 1", EINVAL, __LONG_MAX__ }, { "s64", "-", EINVAL, __LONG_MAX__ },
	};
	static const char *const none[] = { "no", "", "text", "hidden", "LICENSE", "sample" };
	struct hcpolicy *policy = open_sample();

	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		if (sets[i].err)
			CHECK_ERR(hcpolicy__set_param(policy, sets[i].key, sets[i].value),
				  sets[i].err);
		else
			CHECK(!hcpolicy__set_param(policy, sets[i].key, sets[i].value));
		CHECK(param(policy, sets[i].key) == sets[i].then);
	}
	CHECK(said("policy 'sample': parameter 'u16': 65536 does not fit"));
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		CHECK_ERR(hcpolicy__set_param(policy, none[i], "1"), ENOENT);
	CHECK(said("policy 'sample': it has no parameter 'text'; it has: "));
	CHECK_ERR(hcpolicy__set_param(policy, "no", "1"), ENOENT);
	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++)
		CHECK(strstr(logged, sets[i].key));
	CHECK(!strstr(logged, "text") && !strstr(logged, "hidden"));
	hcpolicy__close(policy);

	policy = hcpolicy__open(OBJECT("without-params"), &log_opts);
	logged[0] = 0;
	CHECK(policy);
	CHECK_ERR(hcpolicy__set_param(policy, "no", "1"), ENOENT);
	CHECK(said("it has no parameters, so 'no' cannot be set"));
	hcpolicy__close(policy);
}

TEST(what_comes_before_load)
{
	struct hcpolicy *policy = open_sample(), *other = open_sample();

	CHECK_ERR(hcpolicy__attach(policy, 3, NULL), EINVAL);
	CHECK(said("policy 'sample': only a loaded policy"));
	CHECK_ERR(hcpolicy__replace(policy, other, false), ENOLINK);
	CHECK(said("it is not attached"));
	CHECK_ERR(hcpolicy__detach(policy), ENOENT);
	CHECK_ERR(hcpolicy__pin(policy), ENOENT);
	CHECK_ERR(hcpolicy__unpin(policy), ENOENT);
	CHECK_ERR(hcpolicy__link_fd(policy), ENOENT);
	CHECK_ERR(hcpolicy__map_fd(policy, HCP_MAP_SHARED), ENOENT);
	CHECK_ERR(hcpolicy__map_fd(policy, "extra"), ENOENT);
	CHECK(!hcpolicy__attached(policy));
	errno = 0;
	CHECK(!hcpolicy__complete(policy) && errno == ENOENT);
	CHECK_NULL(hcpolicy__set(policy), ENOENT);
	CHECK_NULL(hcpolicy__info(policy), ENOENT);
	hcpolicy__close(policy);
	hcpolicy__close(other);
}

static int call_nothing(const char *name, void *ctx)
{
	return 0;
}

TEST(nothing_is_not_an_object)
{
	struct hcpolicy *policy = open_sample();

	CHECK_NULL(hcpolicy__open(NULL, NULL), EINVAL);
	CHECK_NULL(hcpolicy__open_pinned(NULL, NULL), EINVAL);
	CHECK_ERR(hcpolicy__set_max_gpa(NULL, 1), EINVAL);
	CHECK_ERR(hcpolicy__set_param(NULL, "flag", "1"), EINVAL);
	CHECK_ERR(hcpolicy__set_param(policy, NULL, "1"), EINVAL);
	CHECK_ERR(hcpolicy__set_param(policy, "flag", NULL), EINVAL);
	CHECK_ERR(hcpolicy__load(NULL), EINVAL);
	CHECK_ERR(hcpolicy__attach(NULL, 3, NULL), EINVAL);
	CHECK_ERR(hcpolicy__replace(NULL, policy, false), EINVAL);
	CHECK_ERR(hcpolicy__replace(policy, NULL, false), EINVAL);
	CHECK_ERR(hcpolicy__detach(NULL), EINVAL);
	CHECK_ERR(hcpolicy__pin(NULL), EINVAL);
	CHECK_ERR(hcpolicy__unpin(NULL), EINVAL);
	CHECK_ERR(hcpolicy__clear(NULL, NULL), EINVAL);
	CHECK_ERR(hcpolicy__each_pinned(NULL, NULL, NULL), EINVAL);
	CHECK_ERR(hcpolicy__each_attached(NULL, NULL, NULL), EINVAL);
	CHECK_ERR(hcpolicy__link_fd(NULL), EINVAL);
	CHECK_ERR(hcpolicy__map_fd(NULL, HCP_MAP_INFO), EINVAL);
	CHECK_ERR(hcpolicy__map_fd(policy, NULL), EINVAL);
	CHECK_NULL(hcpolicy__set(NULL), EINVAL);
	CHECK_NULL(hcpolicy__info(NULL), EINVAL);
	errno = 0;
	CHECK(!hcpolicy__attached(NULL) && errno == EINVAL);
	errno = 0;
	CHECK(!hcpolicy__complete(NULL) && errno == EINVAL);
	errno = ENOENT;
	hcpolicy__close(NULL);
	CHECK(errno == ENOENT);
	hcpolicy__close(policy);
}

/* Whose it is that is to be used is said by the option, then by the environment. */
TEST(the_bpf_file_system_is_named)
{
	struct hcpolicy_opts opts = log_opts;

	setenv("HCPOLICY_BPFFS", "/proc", 1);
	CHECK_NULL(hcpolicy__open_pinned("name", &opts), ENOENT);
	CHECK(said("there is no BPF file system: mount -t bpf bpf /proc"));
	opts.bpffs = "/no/such";
	CHECK_NULL(hcpolicy__open_pinned("name", &opts), ENOENT);
	CHECK(said("there is no BPF file system: mount -t bpf bpf /no/such"));
	CHECK_ERR(hcpolicy__clear("name", &opts), ENOENT);
	CHECK_ERR(hcpolicy__each_pinned(call_nothing, NULL, &opts), ENOENT);
	unsetenv("HCPOLICY_BPFFS");
}

TEST(a_kernel_without_the_hook_is_named)
{
	struct hcpolicy *policy;
	int err = hcpolicy__probe();

	if (!err)
		tap_skip("this kernel has the hook");
	CHECK((err == -EOPNOTSUPP || err == -ENOENT) && errno == -err);
	policy = open_sample();
	CHECK_ERR(hcpolicy__load(policy), EOPNOTSUPP);
	CHECK(said(err == -ENOENT ? "kvm is not loaded" : "has no hook for policies"));
	hcpolicy__close(policy);
}

static int new_map(int type, size_t value_size, int entries, int flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);
	int fd = bpf_map_create(type, NULL, 4, value_size, entries, &opts);

	if (fd == -EPERM)
		tap_skip("may not create BPF maps");
	CHECK(fd >= 0);
	return fd;
}

static int new_info(const struct hcp_info *info)
{
	int fd = new_map(BPF_MAP_TYPE_ARRAY, sizeof(*info), 1, BPF_F_MMAPABLE);
	__u32 key = 0;

	CHECK(!bpf_map_update_elem(fd, &key, info, 0));
	return fd;
}

TEST(a_set_from_descriptors)
{
	struct hcp_info info = {
		.version = HCP_INFO_VERSION,
		.npages = 2 * HCP_CHUNK_PAGES,
		.name = "vm1",
		.policy = "bitmap",
	};
	int shared = new_map(BPF_MAP_TYPE_ARRAY, CHUNK_SIZE, 2, BPF_F_MMAPABLE);
	uint64_t words[HCP_CHUNK_WORDS];
	struct hcpolicy *policy;
	__u32 key = 1;
	int fd = new_info(&info), before = held();

	policy = hcpolicy__open_fds(shared, fd, -1, &log_opts);
	CHECK(policy);
	CHECK(hcpolicy__map_fd(policy, HCP_MAP_SHARED) != shared);
	CHECK(held() == before + 4);
	close(shared);
	close(fd);

	CHECK(hcp_set__npages(hcpolicy__set(policy)) == info.npages);
	CHECK(hcp_set__update(hcpolicy__set(policy), HCP_CHUNK_PAGES + 65, 1, true) == 1);
	CHECK(!bpf_map_lookup_elem(hcpolicy__map_fd(policy, HCP_MAP_SHARED), &key, words));
	CHECK(words[0] == 0 && words[1] == 2);

	CHECK(!strcmp(hcpolicy__info(policy)->name, "vm1"));
	CHECK(!hcpolicy__attached(policy));
	CHECK_ERR(hcpolicy__link_fd(policy), ENOENT);
	CHECK_ERR(hcpolicy__load(policy), EBUSY);
	CHECK_ERR(hcpolicy__set_max_gpa(policy, 1), EBUSY);
	CHECK_ERR(hcpolicy__detach(policy), ENOENT);
	CHECK(said("attachment 'vm1' (policy 'bitmap'): it has no link"));
	hcpolicy__close(policy);
	CHECK(held() == before - 2);
}

TEST(wrong_descriptors_are_named)
{
	struct hcp_info info = { .version = HCP_INFO_VERSION, .npages = 2 * HCP_CHUNK_PAGES };
	int shared = new_map(BPF_MAP_TYPE_ARRAY, CHUNK_SIZE, 2, BPF_F_MMAPABLE);
	int null = open("/dev/null", O_RDWR), good = new_info(&info);
	int lru = new_map(BPF_MAP_TYPE_LRU_HASH, 8, 2, 0);
	int ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, NULL, 0, 0, 4096, NULL);
	struct {
		int shared, info, link;
		const char *words;
	} bad[] = {
		{ 999, good, -1, "hcp_shared: descriptor 999: Bad file" },
		{ -1, good, -1, "hcp_shared: descriptor -1: Bad file" },
		{ null, good, -1, "hcp_shared: descriptor" },
		{ good, shared, -1, "hcp_shared: descriptor" },
		{ new_map(BPF_MAP_TYPE_ARRAY, CHUNK_SIZE, 2, 0), good, -1, "hcp_shared: the map lacks" },
		{ new_map(BPF_MAP_TYPE_HASH, CHUNK_SIZE, 2, 0), good, -1, "hcp_shared: descriptor" },
		{ new_map(BPF_MAP_TYPE_ARRAY, CHUNK_SIZE, 1, BPF_F_MMAPABLE), good, -1,
		  "do not belong together" },
		{ shared, 999, -1, "hcp_info: descriptor 999: Bad file" },
		{ shared, null, -1, "hcp_info: descriptor" },
		{ shared, shared, -1, "hcp_info: descriptor" },
		{ shared, good, null, "link: descriptor" },
		{ shared, good, 999, "link: descriptor 999: Bad file" },
		{ shared, good, shared, "link: descriptor" },
		{ shared, good, lru, "link: descriptor" },	/* a type of the same number */
		{ shared, good, ring, "link: descriptor" },	/* and a zero in the same place */
		{ shared, 0, -1, "hcp_info: version 1, this library knows 2" },
		{ shared, 0, -1, "do not belong together" },
		{ shared, 0, -1, "do not belong together" },
		{ shared, 0, -1, "hcp_info: a name does not end" },
	};

	info.version = 1;
	bad[15].info = new_info(&info);
	info.version = HCP_INFO_VERSION;
	info.npages = 0;
	bad[16].info = new_info(&info);
	info.npages = 4 * HCP_CHUNK_PAGES;
	bad[17].info = new_info(&info);
	info.npages = 2 * HCP_CHUNK_PAGES;
	memset(info.policy, 'x', sizeof(info.policy));
	bad[18].info = new_info(&info);

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		CHECK_NULL(hcpolicy__open_fds(bad[i].shared, bad[i].info, bad[i].link, &log_opts),
			   EINVAL);
		CHECK(said(bad[i].words));
	}
	for (int fd = 3; fd < 64; fd++)
		close(fd);
}

TEST(names_that_cannot_be)
{
	char longest[HCP_NAME_LEN + 1] = "";
	static const char *const bad[] = { "", ".", "..", "a.b", "a/b", "../x", "a b", "\xc3\xa4" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		CHECK_NULL(hcpolicy__open_pinned(bad[i], &log_opts), EINVAL);
		CHECK(said("cannot be a name"));
	}
	CHECK_NULL(hcpolicy__open_pinned(NULL, &log_opts), EINVAL);
	memset(longest, 'x', HCP_NAME_LEN);
	CHECK_NULL(hcpolicy__open_pinned(longest, &log_opts), EINVAL);
	longest[HCP_NAME_LEN - 1] = 0;
	CHECK_NULL(hcpolicy__open_pinned(longest, &log_opts), ENOENT);
	logged[0] = 0;
	CHECK_NULL(hcpolicy__open_pinned("no-such", &log_opts), ENOENT);
	CHECK(said(access("/sys/fs/bpf/.", X_OK) ? "attachment 'no-such'" :
		   strstr(logged, "mount -t bpf") ? "mount -t bpf bpf /sys/fs/bpf" :
		   "attachment 'no-such': it is not in /sys/fs/bpf/hcpolicy"));
}

static int try_another_namespace(void)
{
	uint64_t ticks;
	pid_t child;

	/* /proc stays that of the namespace outside, where the child has another number. */
	if (unshare(CLONE_NEWPID))
		return 77;
	child = fork();
	if (!child) {
		child = fork();
		if (!child) {
			pause();
			_exit(0);
		}
		return process_start(getpid(), &ticks) || !ticks ||
		       process_start(child, &ticks) != -EXDEV ||
		       process_gone(child, process_ns(), 1);
	}
	waitpid(child, &child, 0);
	return !WIFEXITED(child) || WEXITSTATUS(child);
}

TEST(a_process_is_told_by_number_namespace_and_start)
{
	uint64_t ns = process_ns(), own, start, ticks;
	struct stat st;
	int status;
	pid_t child;

	CHECK(!stat("/proc/self/ns/pid", &st) && ns == st.st_ino);
	CHECK(!process_start(getpid(), &own) && own);
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);	/* of a test that fails nothing stays */
		pause();
		_exit(0);
	}
	CHECK(!process_start(child, &start) && start >= own);
	CHECK(!process_gone(child, ns, start));
	CHECK(process_gone(child, ns, start + 1));	/* the number is another one's now */
	CHECK(!process_gone(child, ns + 1, start + 1));
	CHECK(!process_gone(child, 0, start + 1));
	CHECK(!kill(child, SIGKILL) && waitpid(child, NULL, 0) == child);
	CHECK(process_start(child, &ticks) == -ESRCH && process_start(-1, &ticks) == -ESRCH);
	CHECK(process_gone(child, ns, start) && !process_gone(child, ns + 1, start));

	child = fork();
	if (!child)
		_exit(try_another_namespace());
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		tap_skip("may not make a pid namespace");
	CHECK(!WEXITSTATUS(status));
}

TEST(descriptors_are_given_back)
{
	int before = held();

	for (int i = 0; i < 3; i++) {
		hcpolicy__close(open_sample());
		CHECK(!hcpolicy__open(OBJECT("without-ops"), NULL));
		CHECK(!hcpolicy__open_fds(0, 0, 0, NULL));
		CHECK(!hcpolicy__open_pinned("no-such", NULL));
	}
	CHECK(held() == before);
}

TAP_MAIN
