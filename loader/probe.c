// SPDX-License-Identifier: GPL-2.0
/*
 * probe: what this machine can do for policies, and how to fix the rest.  Each check looks at
 * the thing itself, not at a version number.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "loader.h"
#include "out.h"

#define CAP_SYS_ADMIN	21
#define POLICY_SUFFIX	".bpf.o"
#define TEXT_SIZE	2048
#define LINE_SIZE	512
#define GET_HOOK	"on a kernel 6.12 of Debian, install hcpolicy-dkms and the kernel's headers; if they are " \
			"installed, boot that kernel, or run /usr/lib/hcpolicy-dkms/hook install, which says " \
			"what is missing"

struct check {
	const char *name;
	bool needed;			/* to attach a policy */
	/* Writes what was found, or the remedy. */
	bool (*look)(char *text, size_t size);
};

__attribute__((format(printf, 3, 4)))
static void append(char *text, size_t size, const char *fmt, ...)
{
	size_t len = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + len, size - len, fmt, ap);
	va_end(ap);
	/* Names of files are in it. */
	for (text += len; *text; text++)
		if (iscntrl((unsigned char)*text))
			*text = '?';
}

static bool look_dev_kvm(char *text, size_t size)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
		snprintf(text, size, "/dev/kvm opens");
		return true;
	}
	snprintf(text, size, "/dev/kvm: %s: %s", strerror(errno), errno == EACCES ?
		 "run as root, or join its group" :
		 "load kvm-amd or kvm-intel (modprobe), or enable virtualization in the firmware");
	return false;
}

/* The build gives our modules a version.  Stock has none, and neither has a kernel with the hook in its source. */
static bool our_version(FILE *file)
{
	char line[64];

	return fgets(line, sizeof(line), file) && !strncmp(line, "hcpolicy-", strlen("hcpolicy-"));
}

/* The kvm that modprobe loads. */
enum on_disk { UNKNOWN, OTHER, OURS };

static enum on_disk kvm_on_disk(void)
{
	FILE *pipe = popen("PATH=$PATH:/usr/sbin:/sbin; modinfo -F version kvm 2>/dev/null", "re");
	bool ours = pipe && our_version(pipe);

	if (!pipe || pclose(pipe))
		return UNKNOWN;
	return ours ? OURS : OTHER;
}

static bool our_kvm_is_loaded(void)
{
	FILE *file = fopen("/sys/module/kvm/version", "re");
	bool ours = file && our_version(file);

	if (file)
		fclose(file);
	return ours;
}

/* The modules that use kvm, a space before each. */
static void kvm_users(char *text, size_t size)
{
	DIR *dir = opendir("/sys/module/kvm/holders");
	struct dirent *entry;

	*text = '\0';
	while (dir && (entry = readdir(dir)))
		if (*entry->d_name != '.')
			append(text, size, " %s", entry->d_name);
	if (dir)
		closedir(dir);
}

static const char *kvm_vendor(void)
{
	char line[4096];
	bool intel = false;
	FILE *file = fopen("/proc/cpuinfo", "re");

	while (file && fgets(line, sizeof(line), file))
		intel |= !strncmp(line, "flags", 5) && strstr(line, " vmx");
	if (file)
		fclose(file);
	return intel ? "kvm_intel" : "kvm_amd";
}

static bool look_hook(char *text, size_t size)
{
	enum on_disk on_disk = kvm_on_disk();
	bool ready = on_disk == OURS, ends;
	struct utsname uts;
	char users[256];

	uname(&uts);
	switch (hcpolicy__probe()) {
	case 0:
		ends = on_disk == OTHER && our_kvm_is_loaded();
		snprintf(text, size, "kvm on %s calls policies%s", uts.release, !ends ? "" :
			 ", but only until a reboot: the modules on disk have no hook; to keep it, "
			 "install hcpolicy-dkms");
		return true;
	case -ENOENT:
		if (ready)
			snprintf(text, size, "kvm is not loaded: modprobe %s, which has the hook",
				 kvm_vendor());
		else
			snprintf(text, size, "kvm is not loaded, and the one for %s has no hook: " GET_HOOK,
				 uts.release);
		return false;
	case -EPERM:
	case -EACCES:
		snprintf(text, size, "may not look at kvm's types: run as root");
		return false;
	}
	kvm_users(users, sizeof(users));
	if (ready)
		snprintf(text, size, "the kvm that is loaded has no hook, but the one that is installed has: "
			 "reboot or, with no VM running, modprobe -r%s kvm && modprobe %s",
			 users, kvm_vendor());
	else
		snprintf(text, size, "kvm on %s has no hook: " GET_HOOK, uts.release);
	return false;
}

/* If kvm is built in, its types are in vmlinux. */
static bool look_btf(char *text, size_t size)
{
	bool loaded = !access("/sys/module/kvm", F_OK);
	bool module = !access("/sys/module/kvm/initstate", F_OK);
	const char *path = module ? "/sys/kernel/btf/kvm" : "/sys/kernel/btf/vmlinux";

	if (!loaded) {
		snprintf(text, size, "kvm is not loaded");
		return false;
	}
	if (!access(path, F_OK)) {
		snprintf(text, size, "%s", path);
		return true;
	}
	snprintf(text, size, "no %s: use a kernel with CONFIG_DEBUG_INFO_BTF_MODULES, "
		 "and a kvm.ko built with pahole", path);
	return false;
}

/* Off is no obstacle: the trampoline of struct_ops then calls the interpreter. */
static bool look_jit(char *text, size_t size)
{
	FILE *file = fopen("/proc/sys/net/core/bpf_jit_enable", "re");
	int value = -1;

	if (file) {
		if (fscanf(file, "%d", &value) != 1)
			value = -1;
		fclose(file);
	}
	if (value > 0)
		snprintf(text, size, "net.core.bpf_jit_enable = %d", value);
	else if (!value)
		snprintf(text, size, "off: policies run all the same, more slowly, in BPF's interpreter: "
			 "sysctl net.core.bpf_jit_enable=1");
	else
		snprintf(text, size, "cannot be read here: look in the host's network namespace");
	return value > 0;
}

static bool look_caps(char *text, size_t size)
{
	unsigned long long caps = 0;
	char line[256];
	FILE *file;

	file = fopen("/proc/self/status", "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	if (file)
		fclose(file);
	if (caps >> CAP_SYS_ADMIN & 1) {
		snprintf(text, size, "CAP_SYS_ADMIN");
		return true;
	}
	snprintf(text, size, "no CAP_SYS_ADMIN: run as root");
	return false;
}

bool probe_hook(char *text, size_t size)
{
	return look_dev_kvm(text, size) && look_hook(text, size);
}

static bool is_fs(const char *path, long magic)
{
	struct statfs fs;

	return !statfs(path, &fs) && (unsigned int)fs.f_type == (unsigned int)magic;
}

static bool look_bpffs(char *text, size_t size)
{
	bool ok = is_fs(PIN_ROOT, BPF_FS_MAGIC);

	if (ok)
		snprintf(text, size, "%s", PIN_ROOT);
	else
		snprintf(text, size, "not mounted: mount -t bpf bpf %s", PIN_ROOT);
	return ok;
}

static bool look_debugfs(char *text, size_t size)
{
	const char *why;
	bool ok = counters_readable(&why);

	if (ok)
		snprintf(text, size, "/sys/kernel/debug, for the counters of hcpolicy show");
	else
		snprintf(text, size, "no counters in hcpolicy show: %s", why);
	return ok;
}

static int is_policy(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name), suffix = strlen(POLICY_SUFFIX);

	return len > suffix && !strcmp(entry->d_name + len - suffix, POLICY_SUFFIX);
}

struct found {
	char good[TEXT_SIZE / 2];	/* names */
	char bad[TEXT_SIZE];		/* why other files are no policies, a "; " before each */
};

/* The last line of the log has the reason. */
static void keep_line(void *line, const char *said)
{
	snprintf(line, LINE_SIZE, "%s", said);
}

static void try_policy(const char *dir, const char *file, struct found *found)
{
	char path[PATH_MAX], line[LINE_SIZE] = "";
	struct hcpolicy_opts opts = { .sz = sizeof(opts), .log = keep_line, .log_ctx = line };
	int len = strlen(file) - strlen(POLICY_SUFFIX);
	struct hcpolicy *policy;
	struct stat st;

	/* To open a pipe would wait. */
	snprintf(path, sizeof(path), "%s%s/%s", *dir == '/' ? "" : "./", dir, file);
	if (stat(path, &st) || !S_ISREG(st.st_mode)) {
		append(found->bad, sizeof(found->bad), "; policy '%.*s': %s is not a file", len, file, path);
		return;
	}
	policy = hcpolicy__open(path, &opts);
	if (policy)
		append(found->good, sizeof(found->good), "%s%.*s", *found->good ? " " : "", len, file);
	else
		append(found->bad, sizeof(found->bad), "; %s", line);
	hcpolicy__close(policy);
}

static void policies_in(const char *dir, struct found *found)
{
	struct dirent **names;
	int n = scandir(dir, &names, is_policy, alphasort);

	for (int i = 0; i < n; i++) {
		try_policy(dir, names[i]->d_name, found);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

static bool look_policies(char *text, size_t size)
{
	const char *env = getenv("HCPOLICY_PATH");
	char *path = strdup(env ? env : ""), *rest = path, *dir;
	struct found found = {};

	while ((dir = strsep(&rest, ":")))
		if (*dir)
			policies_in(dir, &found);
	free(path);
	policies_in(HCP_POLICY_DIR, &found);
	if (*found.good)
		snprintf(text, size, "%s%s", found.good, found.bad);
	else
		snprintf(text, size, "none in $HCPOLICY_PATH or %s: set HCPOLICY_PATH, "
			 "or give a policy by its path%s", HCP_POLICY_DIR, found.bad);
	return *found.good;
}

static const struct check checks[] = {
	{ "/dev/kvm",	true,	look_dev_kvm },
	{ "hook",	true,	look_hook },
	{ "kvm BTF",	true,	look_btf },
	{ "BPF JIT",	false,	look_jit },
	{ "privilege",	true,	look_caps },
	{ "bpffs",	true,	look_bpffs },
	{ "debugfs",	false,	look_debugfs },
	{ "policies",	false,	look_policies },
};

int cmd_probe(const struct args *args)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *list = json_object_new_array();
	bool usable = true;
	char text[TEXT_SIZE];

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		struct json_object *item = json_object_new_object();
		bool ok = checks[i].look(text, sizeof(text));

		usable &= ok || !checks[i].needed;
		put_str(item, "name", checks[i].name);
		put_bool(item, "ok", ok);
		put_bool(item, "needed", checks[i].needed);
		put_str(item, "text", text);
		json_object_array_add(list, item);
		if (!out_json)
			printf("%-4s%-11s%s\n", ok ? "ok" : "no", checks[i].name, text);
	}
	put_bool(obj, "usable", usable);
	json_object_object_add(obj, "checks", list);
	if (out_json)
		out_value(obj);
	else
		printf("policies can%s be attached here\n", usable ? "" : "not");
	if (!out_json)
		json_object_put(obj);
	return usable ? EXIT_OK : EXIT_FAIL;
}
