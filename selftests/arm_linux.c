// SPDX-License-Identifier: GPL-2.0
/*
 * Linux of arm64 as a guest that is offered MEM_SHARE, under policies: the set against what the guest
 * says of its pools.  It shares those for atomic allocations, and from 7.3 on that of all ordinary
 * devices, at boot; and the restricted pool of a device, when that is found.
 *
 * The kernel is that of the machine itself, as Debian's has no ARM_PKVM_GUEST.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "arm_board.h"
#include "arm_walk.h"
#include "hcp.h"
#include "tap.h"

#define POOL_PAGES	(BOARD_POOL_SIZE / PAGE)
#define SLAB		2048		/* what swiotlb counts */

static struct arm_board *b;
static struct hcpolicy *policy;
static struct hcp_set *set;
static struct vcpu_stats stats;
static bool lives;		/* the guest has powered itself off, which init does */

/* --- what the guest says (arm_linux.init) */

/* 0 if it says nothing. */
static uint64_t guest_says(const char *name)
{
	char words[64];
	const char *at;

	snprintf(words, sizeof(words), "hcst: %s ", name);
	at = strstr(b->log, words);
	return at ? strtoull(at + strlen(words), NULL, 0) : 0;
}

static uint64_t restricted_pages(void)
{
	return guest_says("io_tlb_nslabs") * SLAB / PAGE;
}

static uint64_t atomic_pages(void)
{
	return (guest_says("pool_size_kernel") + guest_says("pool_size_dma") +
		guest_says("pool_size_dma32")) / PAGE;
}

/* Of these, so many are in the set.  Which they are, its page tables know. */
static uint64_t atomic_pages_shared(void)
{
	static const char words[] = "hcst: coherent ";
	uint64_t va, end, gpa, sum = 0;
	char *at = b->log;

	while ((at = strstr(at, words))) {
		va = strtoull(at + strlen(words), &at, 16);
		CHECK_EQ(*at, '-');
		end = strtoull(at + 1, &at, 16);
		for (; va < end; va += PAGE)
			sum += arm_walk(b->vcpu->fd, b->vm->mem, BOARD_MEM, va, &gpa) &&
			       hcp_set__test(set, gpa / PAGE);
	}
	return sum;
}

static uint64_t default_pages(void)
{
	return (guest_says("default_end") - guest_says("default")) / PAGE;
}

/* --- the set */

/* So many of n pages from gpa on are shared. */
static uint64_t shared(uint64_t gpa, uint64_t n)
{
	uint64_t gfn, sum = 0;

	for (gfn = gpa / PAGE; gfn < gpa / PAGE + n; gfn++)
		sum += hcp_set__test(set, gfn);
	return sum;
}

static uint64_t default_pages_shared(void)
{
	return shared(guest_says("default"), default_pages());
}

/* Of make kernel ARCH=arm64: the one that runs here; or NULL. */
static const char *find_kernel(void)
{
	static char path[4096];
	char release[sizeof(((struct utsname *)NULL)->release)];
	struct utsname uts;
	glob_t found = {};
	size_t i;
	FILE *f;

	CHECK_EQ(uname(&uts), 0);
	glob(build_path("../arm64-kernel/*/release"), 0, NULL, &found);
	for (i = 0; i < found.gl_pathc; i++) {
		f = fopen(found.gl_pathv[i], "r");
		if (!f || fscanf(f, "%64s", release) != 1 || strcmp(release, uts.release))
			continue;
		snprintf(path, sizeof(path), "%.*s/Image",
			 (int)(strrchr(found.gl_pathv[i], '/') - found.gl_pathv[i]), found.gl_pathv[i]);
		return path;
	}
	return NULL;
}

static void boot(const char *kernel, const char *file, const char *const params[])
{
	char initrd[4096];

	snprintf(initrd, sizeof(initrd), "%s", build_path("selftests/arm_linux.cpio"));
	b = arm_board_new(kernel, initrd);
	policy = hcp_attach(b->vm, file, BOARD_MEM, false, params);
	set = hcpolicy__set(policy);
	b->console.set = set;
	lives = arm_board_run(b) == KVM_SYSTEM_EVENT_SHUTDOWN;
	stats = vcpu_stats(b->vcpu);
	tap_note("%s: the set has %llu pages, %llu of the restricted pool, %llu of atomic ones and %llu of the default one; "
		 "requests: %llu handled, %llu refused; the device needs %llu pages, %llu of them private",
		 file, (unsigned long long)hcp_set__count(set),
		 (unsigned long long)shared(BOARD_POOL, POOL_PAGES),
		 (unsigned long long)atomic_pages_shared(),
		 (unsigned long long)default_pages_shared(),
		 (unsigned long long)stats.handled, (unsigned long long)stats.refused,
		 (unsigned long long)b->console.touched, (unsigned long long)b->console.private_ones);
}

/* What init writes, as a terminal ends lines. */
static bool console_has_it(void)
{
	char text[sizeof(b->console.text)];
	size_t len = 0;
	int i;

	for (i = 1; i <= 100; i++)
		len += snprintf(text + len, sizeof(text) - len, "%d\r\n", i);
	return b->console.len == len && !memcmp(b->console.text, text, len);
}

/* 6.12 of arm64 does not: there nothing calls swiotlb_update_mem_attributes(). */
static bool shares_default_pool(void)
{
	struct utsname uts;

	CHECK_EQ(uname(&uts), 0);
	return strncmp(uts.release, "6.12.", 5);
}

static void all_is_granted(void)
{
	struct virtio_console *c = &b->console;

	tap_ok(lives, "Linux comes up under bitmap, and ends itself");
	tap_ok(restricted_pages() == POOL_PAGES && shared(BOARD_POOL, POOL_PAGES) == POOL_PAGES,
	       "its restricted pool is in the set, all of it");
	tap_ok(atomic_pages() && atomic_pages_shared() == atomic_pages(),
	       "so are its pools for atomic allocations, where its page tables have them");
	tap_ok(default_pages() && default_pages_shared() == (shares_default_pool() ? default_pages() : 0),
	       "so is its default pool, if it is a Linux that shares that");
	tap_ok(hcp_set__count(set) == restricted_pages() + atomic_pages() + default_pages_shared(),
	       "the set has no other page");
	tap_ok(stats.handled == hcp_set__count(set) && !stats.dflt && !stats.refused && !stats.retry &&
	       !stats.bad_request, "there was one request for each page, and no other");
	tap_ok(hcp_set__complete(set), "the set is complete");
	tap_ok(console_has_it(), "what Linux writes to the device that has the pool arrives");
	tap_ok(c->touched && c->lowest >= BOARD_POOL && c->highest <= BOARD_POOL + BOARD_POOL_SIZE &&
	       !c->private_ones, "that device needs pages of the pool only, and all of them are shared");
}

static void none_of_the_pool_is_granted(uint64_t granted)
{
	struct hcp_range r = {};

	tap_ok(lives && strstr(b->log, "DMA: failed to allocate") && !atomic_pages(),
	       "under a quota below its atomic pools Linux says that it has none, and lives");
	tap_ok(hcp_set__next(set, &r) && r.npages == granted && !hcp_set__next(set, &r),
	       "the set has what was granted, one page after the other");
	tap_ok(!shared(BOARD_POOL, POOL_PAGES), "that is no page of the restricted pool");
	tap_ok(stats.handled == granted && stats.refused &&
	       stats.refused == hcp_number(policy, "refused_requests"),
	       "KVM and the policy have counted the same refusals");
	tap_ok(hcp_set__complete(set), "a set with refused pages is complete");
	/* Linux 6.12 uses it all the same. */
	tap_ok(b->console.private_ones == b->console.touched,
	       "of each page that Linux lets the device use, the set says that it is private");
}

static void half_of_the_pool_is_granted(uint64_t atomic, uint64_t others)
{
	tap_ok(lives && atomic_pages() == atomic && atomic_pages_shared() == atomic,
	       "under a quota that ends in the restricted pool Linux has its atomic pools, and lives");
	tap_ok(shared(BOARD_POOL, POOL_PAGES / 2) == POOL_PAGES / 2 &&
	       hcp_set__count(set) == others + POOL_PAGES / 2,
	       "the set has the half of the restricted pool that was granted, and none of the other");
}

int main(void)
{
	const char *kernel = find_kernel();
	char ceiling[24];
	uint64_t atomic, others;

	if (!kernel) {
		tap_unknown("Linux under policies", "no build/arm64-kernel/* has the kernel that runs here");
		return tap_end();
	}
	boot(kernel, "bpf/bitmap.bpf.o", NULL);
	all_is_granted();
	atomic = atomic_pages();
	others = atomic + default_pages_shared();

	snprintf(ceiling, sizeof(ceiling), "%llu", (unsigned long long)atomic / 2);
	boot(kernel, "bpf/quota.bpf.o", HCP_PARAMS("ceiling", ceiling));
	none_of_the_pool_is_granted(atomic / 2);

	snprintf(ceiling, sizeof(ceiling), "%llu", (unsigned long long)(others + POOL_PAGES / 2));
	boot(kernel, "bpf/quota.bpf.o", HCP_PARAMS("ceiling", ceiling));
	half_of_the_pool_is_granted(atomic, others);
	return tap_end();
}
