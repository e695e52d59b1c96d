// SPDX-License-Identifier: GPL-2.0
/* The requests of one VM: requests.h.  The program is part of this command: it is no policy. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "embed.h"
#include "kvm_offsets.h"
#include "out.h"
#include "requests.h"

/* One turn, so that a guest which never pauses does not keep the reader from its other work. */
#define TAKE_AT_ONCE	4096

EMBED(requests_object, REQUESTS_OBJECT);

struct requests {
	struct bpf_object *object;
	struct bpf_link *link;
	struct ring_buffer *ring;
	const struct requests_state *state;
	int program_fd;
	request_fn fn;
	void *ctx;
};

/* The program's variables of a section. */
static void *variables(const struct requests *requests, const char *section, size_t want)
{
	struct bpf_map *map = bpf_object__find_map_by_name(requests->object, section);
	size_t size = 0;
	void *value = map ? bpf_map__initial_value(map, &size) : NULL;

	if (size >= want)
		return value;
	errno = ENOENT;
	return NULL;
}

static int take(void *ctx, void *data, size_t size)
{
	struct requests *requests = ctx;

	return requests->fn(requests->ctx, data) ? 0 : -ECANCELED;
}

static bool load(struct requests *requests, unsigned int link_id)
{
	struct requests_of *of;

	requests->object = bpf_object__open_mem(requests_object,
						requests_object_end - requests_object, NULL);
	if (!requests->object)
		return false;
	of = variables(requests, ".rodata", sizeof(*of));
	if (!of || kvm_offsets((const struct kvm_member[]){ { "kvm_vcpu", "hcpolicy_ctx", &of->vcpu_ctx },
							     { "kvm_vcpu", "kvm", &of->vcpu_kvm },
							     { "kvm", "hcpolicy", &of->kvm_policy }, { } }))
		return false;
	of->link_id = link_id;
	return !bpf_object__load(requests->object);
}

static bool begin(struct requests *requests, unsigned int link_id)
{
	struct bpf_program *program;

	if (!load(requests, link_id))
		return false;
	requests->state = variables(requests, ".bss", sizeof(*requests->state));
	requests->ring = ring_buffer__new(bpf_object__find_map_fd_by_name(requests->object, "ring"),
					  take, requests, NULL);
	program = bpf_object__find_program_by_name(requests->object, "see_request");
	if (!requests->state || !requests->ring || !program)
		return false;
	requests->program_fd = bpf_program__fd(program);
	requests->link = bpf_program__attach(program);
	return requests->link;
}

struct requests *requests_begin(const char *who, unsigned int link_id)
{
	struct requests *requests = calloc(1, sizeof(*requests));

	if (!requests)
		abort();
	libbpf_set_print(NULL);
	if (begin(requests, link_id))
		return requests;
	/* Without it, libbpf does not find the types of a module. */
	if (errno == EPERM || errno == ESRCH)
		err("attachment '%s': to see its requests needs CAP_SYS_ADMIN", who);
	else
		err("attachment '%s': this kernel does not show its requests: %s", who,
		    strerror(errno));
	requests_end(requests);
	return NULL;
}

int requests_fd(const struct requests *requests)
{
	return ring_buffer__epoll_fd(requests->ring);
}

void requests_stop(struct requests *requests)
{
	bpf_link__destroy(requests->link);
	requests->link = NULL;
}

int requests_take(struct requests *requests, request_fn fn, void *ctx)
{
	requests->fn = fn;
	requests->ctx = ctx;
	return ring_buffer__consume_n(requests->ring, TAKE_AT_ONCE);
}

__u64 requests_lost(const struct requests *requests)
{
	return __atomic_load_n(&requests->state->lost, __ATOMIC_RELAXED);
}

__u64 requests_passed_over(const struct requests *requests)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	bpf_prog_get_info_by_fd(requests->program_fd, &info, &size);
	return info.recursion_misses;
}

void requests_end(struct requests *requests)
{
	requests_stop(requests);
	ring_buffer__free(requests->ring);
	bpf_object__close(requests->object);
	free(requests);
}
