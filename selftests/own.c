// SPDX-License-Identifier: GPL-2.0
/*
 * What a policy has of its own: parameters that its object describes, settings that change while
 * it is attached, and maps, which are pinned with it, and begin anew or go on in a replacement.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "hcp.h"
#include "tap.h"
#include "vm.h"

#define GPA	0x100000ULL
#define NAME	"hcst-own"

static struct vm *vm;
static struct hcpolicy *policy;

static void attach(void)
{
	struct hcpolicy_attach_opts opts = { .sz = sizeof(opts), .name = NAME };

	vm = vm_new(1, false);
	policy = hcp_open("selftests/owner.bpf.o");
	CHECK_EQ(hcpolicy__set_param(policy, "step", "3"), 0);
	CHECK_EQ(hcpolicy__load(policy), 0);
	CHECK_EQ(hcpolicy__attach(policy, vm->fd, &opts), 0);
	CHECK_EQ(hcpolicy__pin(policy), 0);
}

static struct hcpolicy *open_pinned(void)
{
	struct hcpolicy_opts opts = { .sz = sizeof(opts), .log = hcp_log };
	struct hcpolicy *pinned = hcpolicy__open_pinned(NAME, &opts);

	CHECK(pinned);
	return pinned;
}

static uint64_t value(struct hcpolicy *p, const char *map)
{
	int fd = hcpolicy__map_fd(p, map);
	uint64_t value;
	uint32_t key = 0;

	CHECK_CMP(fd, >=, 0);
	CHECK_EQ(bpf_map_lookup_elem(fd, &key, &value), 0);
	return value;
}

static long call(uint64_t npages)
{
	return vcpu_call(&vm->vcpus[0], GPA, npages, SHARE);
}

static void check_param(struct hcpolicy *p, unsigned int n, const char *name, const char *type,
			const char *value, const char *min, const char *max, bool tunable)
{
	struct hcpolicy_param param;

	CHECK(hcpolicy__param(p, n, &param));
	tap_note("%s %s=%s %s..%s: %s", param.type, param.name, param.value, param.min, param.max,
		 param.help);
	CHECK(!strcmp(param.name, name) && !strcmp(param.type, type) && !strcmp(param.value, value) &&
	      !strcmp(param.min, min) && !strcmp(param.max, max) && *param.help &&
	      param.kind == (tunable ? HCPOLICY_TUNABLE : HCPOLICY_FIXED));
}

TEST(an_object_describes_its_parameters_and_itself)
{
	struct hcpolicy_param param;

	policy = hcp_open("selftests/owner.bpf.o");
	CHECK(!strcmp(hcpolicy__about(policy), "counts requests, and refuses those above a limit"));
	check_param(policy, 0, "step", "unsigned int", "1", "1", "8", false);
	check_param(policy, 1, "limit", "unsigned long long", "100", "1", "65536", true);
	CHECK(!hcpolicy__param(policy, 2, &param));
}

TEST(a_value_outside_the_range_that_the_object_tells_is_ERANGE)
{
	policy = hcp_open("selftests/owner.bpf.o");
	CHECK_EQ(hcpolicy__set_param(policy, "step", "0"), -ERANGE);
	CHECK_EQ(hcpolicy__set_param(policy, "step", "9"), -ERANGE);
	CHECK_EQ(hcpolicy__set_param(policy, "limit", "0x10001"), -ERANGE);
	CHECK_EQ(hcpolicy__set_param(policy, "limit", "x"), -EINVAL);
	CHECK_EQ(hcpolicy__set_param(policy, "limits", "1"), -ENOENT);
	CHECK_EQ(hcpolicy__set_param(policy, "step", "8"), 0);
	check_param(policy, 0, "step", "unsigned int", "8", "1", "8", false);
}

TEST(parameters_of_a_pinned_policy_are_read_as_they_were_set)
{
	struct hcpolicy *pinned;

	attach();
	pinned = open_pinned();
	check_param(pinned, 0, "step", "unsigned int", "3", "1", "8", false);
	check_param(pinned, 1, "limit", "unsigned long long", "100", "1", "65536", true);
	hcpolicy__close(pinned);
	CHECK_EQ(hcpolicy__detach(policy), 0);
}

TEST(a_setting_changes_while_the_policy_is_attached_and_a_parameter_does_not)
{
	struct hcpolicy *pinned;

	attach();
	CHECK_EQ(call(101), -KVM_EPERM);
	pinned = open_pinned();
	CHECK_EQ(hcpolicy__set_param(pinned, "limit", "101"), 0);
	CHECK_EQ(call(101), 0);
	CHECK_EQ(hcpolicy__set_param(pinned, "limit", "0"), -ERANGE);
	CHECK_EQ(hcpolicy__set_param(pinned, "step", "1"), -EBUSY);
	CHECK_EQ(hcpolicy__set_param(policy, "limit", "1"), 0);
	CHECK_EQ(call(101), -KVM_EPERM);
	check_param(pinned, 1, "limit", "unsigned long long", "1", "1", "65536", true);
	hcpolicy__close(pinned);
	CHECK_EQ(hcpolicy__detach(policy), 0);
}

TEST(own_maps_are_pinned_with_the_policy_and_go_with_it)
{
	struct hcpolicy *pinned;

	attach();
	CHECK_EQ(call(1), 0);
	CHECK_EQ(call(1), 0);
	pinned = open_pinned();
	CHECK_EQ(value(pinned, "anew"), 6);
	CHECK_EQ(value(pinned, "handed_on"), 6);
	CHECK_EQ(hcpolicy__map_fd(pinned, "another"), -ENOENT);
	CHECK_EQ(hcpolicy__id(pinned, "anew"), hcpolicy__id(policy, "anew"));
	CHECK_EQ(hcpolicy__id(pinned, "program"), hcpolicy__id(policy, "program"));
	CHECK(hcpolicy__id(pinned, "program") && !hcpolicy__id(pinned, "another"));
	CHECK_EQ(hcpolicy__detach(pinned), 0);
	CHECK(access("/sys/fs/bpf/hcpolicy/" NAME, F_OK));
	hcpolicy__close(pinned);
}

TEST(a_replacement_begins_its_maps_anew_but_those_that_it_takes_over)
{
	struct hcpolicy *pinned, *next;

	attach();
	CHECK_EQ(call(1), 0);
	next = hcp_open("selftests/owner.bpf.o");
	pinned = open_pinned();
	CHECK_EQ(hcpolicy__replace(pinned, next, false), 0);
	hcpolicy__close(pinned);
	CHECK_EQ(call(1), 0);
	CHECK_EQ(value(next, "handed_on"), 4);
	CHECK_EQ(value(next, "anew"), 1);
	/* And so say the pins. */
	pinned = open_pinned();
	CHECK_EQ(value(pinned, "handed_on"), 4);
	CHECK_EQ(value(pinned, "anew"), 1);
	check_param(pinned, 0, "step", "unsigned int", "1", "1", "8", false);
	CHECK(access("/sys/fs/bpf/hcpolicy/" NAME "/~maps", F_OK));
	CHECK_EQ(hcpolicy__detach(pinned), 0);
	hcpolicy__close(pinned);
}

TEST(own_maps_come_by_descriptors_too)
{
	struct hcpolicy_opts opts = { .sz = sizeof(opts), .log = hcp_log };
	struct hcpolicy *other;

	attach();
	CHECK_EQ(call(1), 0);
	other = hcpolicy__open_fds(hcpolicy__map_fd(policy, HCP_MAP_SHARED),
				   hcpolicy__map_fd(policy, HCP_MAP_INFO), hcpolicy__link_fd(policy), &opts);
	CHECK(other);
	CHECK_EQ(hcpolicy__map_fd(other, "anew"), -ENOENT);
	CHECK_EQ(hcpolicy__add_map_fd(other, "anew", vm->fd), -EINVAL);
	CHECK_EQ(hcpolicy__add_map_fd(other, "anew", hcpolicy__map_fd(policy, "anew")), 0);
	CHECK_EQ(hcpolicy__add_map_fd(other, "anew", hcpolicy__map_fd(policy, "anew")), -EEXIST);
	CHECK_EQ(value(other, "anew"), 3);
	hcpolicy__close(other);
	CHECK_EQ(hcpolicy__detach(policy), 0);
}

TEST(a_map_that_two_VMs_would_share_is_refused)
{
	struct hcpolicy_opts opts = { .sz = sizeof(opts), .log = hcp_log };

	CHECK(!hcpolicy__open(build_path("selftests/pinned.bpf.o"), &opts));
	CHECK_EQ(errno, EINVAL);
}

/* Does the command say so? */
static bool says(const char *command, const char *words)
{
	char line[512];

	snprintf(line, sizeof(line), "%s %s 2>&1 | grep -F '%s'", build_path("bin/hcpolicy"), command, words);
	return !system(line);
}

TEST(the_command_shows_and_tunes_what_is_set)
{
	attach();
	CHECK(says("show " NAME, "step=3"));
	CHECK(says("show " NAME, "limit=100 (tunable)"));
	CHECK(says("show " NAME, "map anew"));
	CHECK(says("tune " NAME " limit=7", NAME ": limit=7"));
	CHECK(says("show " NAME " -j", "\"name\":\"limit\",\"type\":\"unsigned long long\",\"value\":\"7\""));
	CHECK(says("tune " NAME " limit=0", ": 0 does not fit: 1 to 65536"));
	CHECK(says("tune " NAME " limits=1", "it has: step, limit"));
	CHECK(says("tune " NAME " step=1", "is fixed once the policy is loaded"));
	CHECK_EQ(call(8), -KVM_EPERM);
	CHECK_EQ(hcpolicy__detach(policy), 0);
}

TAP_MAIN
