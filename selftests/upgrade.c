// SPDX-License-Identifier: GPL-2.0
/*
 * What hcpolicy 0.1 attached, under today's library: read as it is, and taken over by a replacement.
 * Nothing of it is lost, and nothing is called complete that is not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <hcpolicy/stream.h>

#include "hcp.h"
#include "old.h"
#include "tap.h"
#include "vm.h"

#define NAME	"hcst-old"
#define PIN	OLD_PINS "/" NAME "/"
#define GPA	0x100000ULL
#define BEYOND	(OLD_NPAGES * PAGE)

static const struct hcpolicy_opts opts = { .sz = sizeof(opts), .log = hcp_log };
static struct vm *vm;
static struct vcpu *v;
static struct pol *old;

static struct hcpolicy *open_name(void)
{
	struct hcpolicy *policy = hcpolicy__open_pinned(NAME, &opts);

	CHECK(policy && hcpolicy__attached(policy) && hcpolicy__set(policy));
	return policy;
}

/* A test that failed may have left its pins. */
static void new_vm(const char *name)
{
	CHECK_EQ(system("rm -rf " OLD_PINS "/" NAME " " OLD_PINS "/-x"), 0);
	vm = vm_new(1, false);
	v = &vm->vcpus[0];
	old = old_attach(vm, name);
}

/* Two pages are shared. */
static struct hcpolicy *set_up(void)
{
	new_vm(NAME);
	CHECK_EQ(vcpu_call(v, GPA, 2, SHARE), 0);
	return open_name();
}

static struct hcpolicy *replace(struct hcpolicy *policy, const char *file)
{
	struct hcpolicy *next = hcp_open(file);

	CHECK_EQ(hcpolicy__replace(policy, next, false), 0);
	return next;
}

static void take_off(struct hcpolicy *policy)
{
	CHECK_EQ(hcpolicy__detach(policy), 0);
	hcpolicy__close(policy);
	CHECK_EQ(access(OLD_PINS "/" NAME, F_OK), -1);
}

static int seen(uint32_t id, void *ctx)
{
	*(uint32_t *)ctx = id;
	return 0;
}

TEST(its_set_is_read)
{
	struct hcpolicy *policy = set_up(), *found;
	const struct hcp_info *info = hcpolicy__info(policy);
	struct hcp_set *set = hcpolicy__set(policy);
	struct hcp_range r = {};
	uint32_t id = 0;

	CHECK(info->version == 1 && info->pid == getpid() && info->vm_fd == vm->fd);
	CHECK(!strcmp(info->name, NAME) && !strcmp(info->policy, "old"));
	CHECK(hcp_set__complete(set) && !*hcp_set__label(set));
	CHECK(hcp_set__npages(set) == OLD_NPAGES && hcp_set__reach(set) == OLD_NPAGES);
	CHECK(hcp_set__next(set, &r) && r.gfn == GPA / PAGE && r.npages == 2 && !hcp_set__next(set, &r));

	/* By the id of its link, too. */
	CHECK_EQ(hcpolicy__each_attached(seen, &id, &opts), 0);
	CHECK_EQ(id, info->link_id);
	found = hcpolicy__open_id(id, &opts);
	CHECK(found && !strcmp(hcpolicy__info(found)->name, NAME));
	CHECK_EQ(hcp_set__count(hcpolicy__set(found)), 2);
	hcpolicy__close(found);

	/* What it has missed is known at once: in 0.1 that is what lay beyond, too. */
	CHECK_EQ(vcpu_call(v, BEYOND, 3, SHARE), 0);
	CHECK(hcp_set__missed(set) == 3 && !hcp_set__complete(set) && !hcp_set__beyond(set));
	take_off(policy);
	CHECK_EQ(old_info(old)->state, OLD_DETACHED);
}

/* A lookup would write a value for each processor, and root's commands look at everybody's maps. */
TEST(what_has_its_size_and_is_no_array_is_not_read)
{
	struct hcpolicy *found;
	struct pol p;
	struct bpf_map *info;
	struct bpf_link *link;
	struct bpf_link_info of_link = {};
	uint32_t len = sizeof(of_link), id = 0;

	vm = vm_new(1, false);
	pol_open(&p, "old", vm->fd, KVM_HCPOLICY_BEFORE_RUN);
	info = bpf_object__find_map_by_name(p.obj, HCP_MAP_INFO);
	CHECK_EQ(bpf_map__set_type(info, BPF_MAP_TYPE_PERCPU_ARRAY), 0);
	CHECK_EQ(bpf_map__set_map_flags(info, 0), 0);
	CHECK_EQ(bpf_object__load(p.obj), 0);
	link = bpf_map__attach_struct_ops(p.ops);
	CHECK(link);

	CHECK_EQ(hcpolicy__mark_foreign(&opts), 0);
	CHECK_EQ(hcpolicy__each_attached(seen, &id, &opts), 0);
	CHECK_EQ(bpf_link_get_info_by_fd(bpf_link__fd(link), &of_link, &len), 0);
	found = hcpolicy__open_id(of_link.id, &opts);
	CHECK(!found || !hcpolicy__set(found));
	hcpolicy__close(found);
	bpf_link__destroy(link);
}

TEST(its_set_is_saved)
{
	struct hcp_stream_opts stream = { .sz = sizeof(stream), .log = hcp_log };
	struct hcpolicy *policy = set_up();
	struct hcp_set *copy = hcp_set__new(OLD_NPAGES);
	size_t len;
	void *buf;

	CHECK_EQ(hcp_set__save_mem(hcpolicy__set(policy), &buf, &len, &stream), 0);
	CHECK_EQ(hcp_set__restore_mem(copy, buf, len, &stream), 0);
	CHECK(hcp_set__count(copy) == 2 && hcp_set__test(copy, GPA / PAGE) && hcp_set__complete(copy));

	/* Not the other way round, as it has no place for what a stream says. */
	CHECK_EQ(hcp_set__restore_mem(hcpolicy__set(policy), buf, len, &stream), -EROFS);
	free(buf);
	CHECK_EQ(hcp_set__set_label(hcpolicy__set(policy), "web"), -EROFS);
	CHECK(hcp_set__complete(hcpolicy__set(policy)) && hcp_set__count(hcpolicy__set(policy)) == 2);
	take_off(policy);
}

TEST(a_reset_that_it_cannot_note_makes_it_late)
{
	struct hcpolicy *policy = set_up(), *next;

	CHECK_EQ(hcp_set__reset_if(hcpolicy__set(policy), NULL, NULL), -EROFS);
	CHECK_EQ(hcp_set__state(hcpolicy__set(policy)), HCP_LATE);
	next = replace(policy, "bpf/bitmap.bpf.o");
	CHECK_EQ(hcp_set__state(hcpolicy__set(next)), HCP_LATE);
	hcp_set__reset(hcpolicy__set(next));
	CHECK(hcp_set__complete(hcpolicy__set(next)) && !hcp_set__count(hcpolicy__set(next)));
	hcpolicy__close(policy);
	take_off(next);
}

TEST(a_replacement_takes_its_set_over)
{
	struct hcpolicy *policy = set_up(), *next = replace(policy, "bpf/quota.bpf.o");
	const struct hcp_info *info = hcpolicy__info(next);

	hcpolicy__close(policy);
	CHECK(info->version == HCP_INFO_VERSION && info->pid == getpid() && info->vm_fd == vm->fd);
	CHECK(!strcmp(info->name, NAME) && !strcmp(info->policy, "quota"));
	CHECK(info->attached_at == 1700000000000000000 && info->reach == OLD_NPAGES);
	CHECK(hcp_set__complete(hcpolicy__set(next)) && hcp_set__count(hcpolicy__set(next)) == 2);
	/* Whoever still reads the old one must not believe it. */
	CHECK(old_info(old)->state & OLD_DETACHED);
	hcpolicy__close(next);

	policy = open_name();
	CHECK(hcpolicy__info(policy)->version == HCP_INFO_VERSION && hcpolicy__info(policy)->link_id);
	CHECK_EQ(vcpu_call(v, GPA + 2 * PAGE, 1, SHARE), 0);
	CHECK_EQ(vcpu_call(v, BEYOND, 1, HIDE), 0);
	CHECK(hcp_set__count(hcpolicy__set(policy)) == 3 && hcp_set__beyond(hcpolicy__set(policy)) == 1);
	CHECK(hcp_set__complete(hcpolicy__set(policy)));
	/* Its own maps are pinned, as those of any policy. */
	CHECK_EQ(access(PIN "maps", F_OK), 0);
	next = replace(policy, "bpf/bitmap.bpf.o");
	hcpolicy__close(policy);
	CHECK(hcp_set__complete(hcpolicy__set(next)) && hcp_set__count(hcpolicy__set(next)) == 3);
	take_off(next);
}

TEST(what_it_missed_stays_missed)
{
	struct hcpolicy *policy = set_up(), *next;

	CHECK_EQ(vcpu_call(v, BEYOND, 7, SHARE), 0);
	next = replace(policy, "bpf/bitmap.bpf.o");
	CHECK(hcp_set__missed(hcpolicy__set(next)) == 7 && !hcp_set__complete(hcpolicy__set(next)));
	hcpolicy__close(policy);
	take_off(next);
}

TEST(a_replacement_that_fails_changes_nothing)
{
	struct hcpolicy *policy = set_up(), *next = hcp_open("bpf/bitmap.bpf.o");

	CHECK_EQ(hcpolicy__replace(policy, next, true), -EINVAL);	/* TAKE_EXITS */
	CHECK(hcpolicy__complete(policy));
	CHECK(!old_info(old)->state && access(PIN "~info", F_OK) && access(PIN "~maps", F_OK));
	CHECK_EQ(vcpu_call(v, GPA, 1, HIDE), 0);
	CHECK_EQ(hcp_set__count(hcpolicy__set(policy)), 1);
	hcpolicy__close(next);
	take_off(policy);
}

/* As a replace that was killed before the link's update left it. */
TEST(a_replacement_that_was_cut_short_before_it_happened_is_taken_back)
{
	struct hcpolicy *policy = set_up();

	hcpolicy__close(policy);
	old_info(old)->state = HCP_CHANGING;
	policy = open_name();
	CHECK(hcpolicy__info(policy)->version == 1 && !old_info(old)->state);
	CHECK(hcp_set__complete(hcpolicy__set(policy)));
	take_off(policy);
}

/* And one that was killed after it. */
static void cut_short(void)
{
	struct hcpolicy *policy = set_up(), *next = replace(policy, "bpf/bitmap.bpf.o");

	__atomic_fetch_or((uint32_t *)&hcpolicy__info(next)->state, HCP_CHANGING, __ATOMIC_SEQ_CST);
	hcpolicy__close(policy);
	hcpolicy__close(next);
	old_info(old)->state = HCP_CHANGING;
	CHECK_EQ(unlink(PIN "hcp_info"), 0);
	CHECK_EQ(bpf_obj_pin(bpf_object__find_map_fd_by_name(old->obj, "hcp_info"), PIN "hcp_info"), 0);
}

TEST(a_replacement_that_was_cut_short_is_finished)
{
	struct hcpolicy *policy;

	cut_short();
	policy = open_name();
	CHECK_EQ(hcpolicy__info(policy)->version, HCP_INFO_VERSION);
	CHECK(hcp_set__complete(hcpolicy__set(policy)) && hcp_set__count(hcpolicy__set(policy)) == 2);
	CHECK(old_info(old)->state & OLD_DETACHED);
	hcpolicy__close(policy);
	policy = open_name();
	CHECK_EQ(hcpolicy__info(policy)->version, HCP_INFO_VERSION);
	take_off(policy);
}

TEST(what_was_missed_meanwhile_stays_missed)
{
	struct hcpolicy *policy;

	cut_short();
	old_info(old)->missed = 4;
	policy = open_name();
	CHECK(hcp_set__missed(hcpolicy__set(policy)) == 4 && !hcp_set__complete(hcpolicy__set(policy)));
	take_off(policy);
}

TEST(what_the_old_command_put_in_its_place_is_known)
{
	struct hcpolicy *policy = set_up();
	struct pol *other = pol_load("old", -1, 0);

	pol_replace(old, other);	/* with a set of its own, as the old command never does */
	CHECK(!hcpolicy__attached(policy));
	hcpolicy__close(policy);
	policy = hcpolicy__open_pinned(NAME, &opts);
	CHECK(policy && hcp_set__state(hcpolicy__set(policy)) == HCP_DETACHED);
	CHECK_EQ(old_info(old)->state, OLD_DETACHED);
	take_off(policy);
}

TEST(names_that_0_1_allowed_are_shown_and_end)
{
	struct hcpolicy *policy;

	new_vm("-x");
	policy = hcpolicy__open_pinned("-x", &opts);
	CHECK(policy && hcp_set__complete(hcpolicy__set(policy)));
	CHECK_EQ(hcpolicy__detach(policy), 0);
	CHECK_EQ(access(OLD_PINS "/-x", F_OK), -1);
}

TAP_MAIN
