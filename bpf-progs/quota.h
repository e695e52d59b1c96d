/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A ceiling on what a guest shares, for a policy of one's own to include; quota.bpf.c is the
 * plainest user.  Call quota_book().
 *
 * The rule: the ceiling is on the pages that the set has, those of refused requests included, as
 * the guest may have shared them anyway.  A request that brings the set above the ceiling, or is
 * for an address outside the window or beyond the set, where nobody counts, is refused.  A page
 * that was shared before costs nothing, and hiding a page gives it back, whether its sharing was
 * refused or not.  A guest that obeys (hcp_obeys()) shares only what it is granted: the set does
 * not have the rest.
 *
 * The count is exact for any number of vCPUs, as each page's change is told to one of them.
 * When the set's contents are replaced (a reset, a restore) or the policy is, hcp_info says so by
 * generation and ops_id; then the next request counts the set anew, and others retry meanwhile.
 * (ops_id changes when no call of the replaced policy is in progress any more.)  A count takes one
 * call, with preemption off.  It reads each word of the set, and takes longest if every word has
 * shared pages.
 *
 * A request that cannot wait for a count is booked beside it.  A guest that makes such requests all
 * the time keeps every count from its end, so they have the ceiling too, on their own: pages that
 * it shares so count each time that they are asked for, until a count succeeds.
 *
 * This needs hcp_info.ops_id, which libhcpolicy sets before it attaches.
 */
#ifndef HCPOLICY_QUOTA_H
#define HCPOLICY_QUOTA_H

#include "hcp_changed.bpf.h"

HCP_SETTING(__u64, ceiling, 65536, 0, 0xffffffffffffffff, "pages that the guest may share at most");
HCP_PARAM(__u64, window_start, 0, 0, 0xffffffffffffffff, "the lowest address that it may share");
HCP_PARAM(__u64, window_end, 0xffffffffffffffff, 0, 0xffffffffffffffff, "the address after the last that it may share");
HCP_COUNTER(shared_pages, "pages that it shares, refused ones included");
HCP_COUNTER(refused_requests, "requests, or pieces of large ones, that were refused");
HCP_COUNTER(refused_pages, "pages that those changed; all of one that could not wait");

/* Of which contents shared_pages is: ops_id and generation; or one of these. */
#define QUOTA_NOTHING	0
#define QUOTA_NOT_YET	1	/* it is being counted, by who holds quota_counting */
volatile __u64 quota_counted;
volatile __u32 quota_counting;
volatile __u64 quota_counts;	/* so many counts were begun */
volatile __u64 quota_uncounted;	/* pages that who could not wait asked to share since the last one */

static __always_inline __u64 quota_word(struct hcp_chunk *chunk, __u64 word)
{
	return *(volatile __u64 *)&chunk->words[word];
}

/* From word on.  (That it is an argument lets the verifier look at the loop once, not 64 times.) */
__weak __noinline int quota_count_chunk(struct hcp_chunk *chunk __arg_nonnull, __u64 word)
{
	int i, n = 0;

	for (; hcp_can_loop && hcp_word_in_chunk(word, 8); word += 8) {
		__u64 any = 0;

		/* Most pages are private. */
#pragma clang loop unroll(full)
		for (i = 0; i < 8; i++)
			any |= quota_word(chunk, word + i);
		if (!any)
			continue;
#pragma clang loop unroll(full)
		for (i = 0; i < 8; i++)
			n += hcp_popcount(quota_word(chunk, word + i));
	}
	return n;
}

__weak __noinline __u64 quota_count(void)
{
	struct hcp_chunk *chunk;
	__u64 n = 0;
	__u32 key = 0;

	while (hcp_can_loop) {
		chunk = bpf_map_lookup_elem(&hcp_shared, &key);
		if (!chunk)
			break;
		n += quota_count_chunk(chunk, 0);
		key++;
	}
	return n;
}

static __always_inline _Bool quota_window(const struct kvm_hcpolicy_ctx *req)
{
	return req->gpa >= window_start && req->gpa < window_end &&
	       req->npages << HCP_PAGE_SHIFT <= window_end - req->gpa;
}

static __always_inline _Bool quota_refuse(__u64 changed)
{
	__sync_fetch_and_add(&refused_requests, 1);
	__sync_fetch_and_add(&refused_pages, changed);
	return 0;
}

/* A request was booked that a count may have missed, or have twice: the next request counts anew. */
static __always_inline void quota_disturb(void)
{
	__atomic_exchange_n(&quota_counted, QUOTA_NOTHING, __ATOMIC_SEQ_CST);
}

/*
 * Before anything is booked: is the count of this set?  Then what is returned is for
 * quota_book().  0: RETRY, or if that cannot be, book and call quota_allows_uncounted().
 */
static __always_inline __u64 quota_ready(void)
{
	__u64 contents, counts = quota_counts;
	struct hcp_info *info = hcp_info_value();

	if (!info)
		return 0;
	contents = (__u64)*(volatile __u32 *)&info->ops_id << 32 | *(volatile __u32 *)&info->generation;
	if (contents == quota_counted)
		return counts;
	if (__sync_val_compare_and_swap(&quota_counting, 0, 1))
		return 0;
	counts = __sync_fetch_and_add(&quota_counts, 1) + 1;
	__atomic_exchange_n(&quota_counted, QUOTA_NOT_YET, __ATOMIC_SEQ_CST);
	shared_pages = quota_count();
	if (__sync_val_compare_and_swap(&quota_counted, QUOTA_NOT_YET, contents) == QUOTA_NOT_YET)
		quota_uncounted = 0;
	else
		counts = 0;
	__atomic_exchange_n(&quota_counting, 0, __ATOMIC_SEQ_CST);
	return counts;
}

/* ready: of quota_ready().  If a count was begun since then, it may have missed this request. */
static __always_inline _Bool quota_allows(const struct kvm_hcpolicy_ctx *req, __u64 changed, __u64 ready)
{
	__u64 now;

	if (req->shared)
		now = __sync_fetch_and_add(&shared_pages, changed) + changed;
	else
		now = __sync_fetch_and_sub(&shared_pages, changed) - changed;
	if (quota_counts != ready)
		quota_disturb();
	return !req->shared || ((now <= ceiling || !changed) && quota_window(req) &&
				(changed == req->npages || hcp_in_set(req))) || quota_refuse(changed);
}

/* The same for a request that was booked although quota_ready() was 0, as it cannot wait. */
static __always_inline _Bool quota_allows_uncounted(const struct kvm_hcpolicy_ctx *req)
{
	__u64 now = 0;

	if (req->shared)
		now = __sync_fetch_and_add(&quota_uncounted, req->npages) + req->npages;
	quota_disturb();
	return !req->shared || (now <= ceiling && quota_window(req) && hcp_in_set(req)) ||
	       quota_refuse(req->npages);
}

/* Will the refusal of this request be the last word, and the guest obey it?  One page, then. */
static __always_inline _Bool quota_binds(const struct kvm_hcpolicy_ctx *req)
{
	return hcp_obeys(req) && req->shared && !(req->flags & KVM_HCPOLICY_EXIT_ENABLED);
}

/*
 * For a request of which that is so, and nothing is booked yet.  Room is taken
 * first.  What was booked could not be taken back: another vCPU may have been granted the same page
 * meanwhile.  (So a vCPU may be refused the last page of room while another one only asks for it.)
 */
static __always_inline _Bool quota_grants(const struct kvm_hcpolicy_ctx *req, __u64 ready)
{
	__u64 now = __sync_fetch_and_add(&shared_pages, req->npages) + req->npages, changed = 0;
	_Bool allowed;

	allowed = (now <= ceiling || hcp_test(req->gpa >> HCP_PAGE_SHIFT)) &&
		  quota_window(req) && hcp_in_set(req);
	if (allowed)
		changed = hcp_book_changed(req);
	__sync_fetch_and_sub(&shared_pages, req->npages - changed);
	if (quota_counts != ready)
		quota_disturb();
	return allowed || quota_refuse(req->npages);
}

/*
 * Book the request, if the guest converts the pages, and say if it is allowed.  ready: of
 * quota_ready(), and not 0.
 */
static __always_inline _Bool quota_book(const struct kvm_hcpolicy_ctx *req, __u64 ready)
{
	return quota_binds(req) ? quota_grants(req, ready) :
				  quota_allows(req, hcp_book_changed(req), ready);
}

#endif /* HCPOLICY_QUOTA_H */
