/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a set of shared pages is compared with, in C that compiles in the kernel
 * (native.c) and in userspace (set.c), so that what is measured in one is what is
 * checked in the other.  Whoever includes this defines rival_alloc() and rival_free().
 *
 *	bits	a bitmap that is updated as a policy updates its own: the floor
 *	bits21	the bitmap that was proposed for KVM until 2021, in versions 1 to 9: 1 is
 *		private, and no update is atomic, as all are made under a lock
 *	list21	the list of ranges of version 10 and later, 2021
 *	qemu21	the list of ranges that was proposed for QEMU in 2021
 *
 * The last three are written anew from what their discussion says of them, with the
 * mistakes of the lists.  list21 stores ends that do not belong to the range, and
 * removes as if they did.  qemu21 is below.
 */
#ifndef HCB_RIVALS_H
#define HCB_RIVALS_H

#include <linux/types.h>

static inline void rival_bits_word(__u64 *word, __u64 bits, _Bool set)
{
	if (set)
		(void)__sync_fetch_and_or(word, bits);
	else
		(void)__sync_fetch_and_and(word, ~bits);
}

static inline void rival_bits_update(__u64 *words, __u64 gfn, __u64 npages,
				     _Bool shared)
{
	__u64 last = gfn + npages - 1, value = shared ? ~0ULL : 0;
	__u64 head = ~0ULL << gfn % 64, tail = ~0ULL >> (63 - last % 64);
	__u64 *w = words + gfn / 64, *end = words + last / 64;

	if (w == end) {
		rival_bits_word(w, head & tail, shared);
		return;
	}
	rival_bits_word(w++, head, shared);
	for (; w + 8 <= end; w += 8) {
		w[0] = value;
		w[1] = value;
		w[2] = value;
		w[3] = value;
		w[4] = value;
		w[5] = value;
		w[6] = value;
		w[7] = value;
	}
	while (w < end)
		*w++ = value;
	rival_bits_word(end, tail, shared);
}

static inline void rival_bits21_update(__u64 *words, __u64 gfn, __u64 npages,
				       _Bool shared)
{
	__u64 last = gfn + npages - 1, value = shared ? 0 : ~0ULL;
	__u64 head = ~0ULL << gfn % 64, tail = ~0ULL >> (63 - last % 64);
	__u64 *w = words + gfn / 64, *end = words + last / 64;

	if (w == end)
		head &= tail;
	*w = (*w & ~head) | (value & head);
	if (w == end)
		return;
	while (++w < end)
		*w = value;
	*w = (*w & ~tail) | (value & tail);
}

struct rival_range {
	__u64 start, end;
	struct rival_range *next;
};

static inline void rival_list21_insert(struct rival_range **list, __u64 start, __u64 end)
{
	struct rival_range *r = rival_alloc(sizeof(*r));

	if (!r)
		return;
	*r = (struct rival_range){ start, end, *list };
	*list = r;
}

static inline void rival_list21_share(struct rival_range **list, __u64 start, __u64 end)
{
	struct rival_range *r;

	for (r = *list; r; r = r->next) {
		if (start > r->end || end < r->start)
			continue;
		if (start < r->start)
			r->start = start;
		if (end > r->end)
			r->end = end;
		return;
	}
	rival_list21_insert(list, start, end);
}

static inline void rival_list21_hide(struct rival_range **list, __u64 start, __u64 end)
{
	struct rival_range **at = list, *r;

	while ((r = *at)) {
		if (start <= r->start && end >= r->end) {
			*at = r->next;
			rival_free(r);
			continue;
		}
		if (start > r->start && end < r->end) {
			rival_list21_insert(&r->next, end + 1, r->end);
			r->end = start - 1;
			return;
		}
		if (start <= r->start && end >= r->start)
			r->start = end + 1;
		else if (start <= r->end && end >= r->end)
			r->end = start - 1;
		at = &r->next;
	}
}

static inline void rival_list21_update(struct rival_range **list, __u64 gfn,
				       __u64 npages, _Bool shared)
{
	if (shared)
		rival_list21_share(list, gfn, gfn + npages);
	else
		rival_list21_hide(list, gfn, gfn + npages);
}

/*
 * Sorted by start.  What is shared grows the range that its start is in or next to, even over those
 * behind that.  A page that two ranges have is then hidden in the first only.  And what is hidden
 * ends with the first range that it removes as a whole, because QEMU's macro that removes one
 * clears the pointer by which the walk would go on.
 */
static inline void rival_qemu21_share(struct rival_range **list, __u64 start, __u64 end)
{
	struct rival_range **at = list;

	while (*at && (*at)->end < start)
		at = &(*at)->next;
	if (!*at || (*at)->start > start)
		rival_list21_insert(at, start, end);
	else if ((*at)->end < end)
		(*at)->end = end;
}

static inline void rival_qemu21_hide(struct rival_range **list, __u64 start, __u64 end)
{
	struct rival_range **at = list, *r;

	for (; (r = *at); at = &r->next) {
		__u64 old_end = r->end;

		if (start <= r->start && end >= old_end) {
			*at = r->next;
			rival_free(r);
			return;
		}
		if (start > r->start && end < old_end)
			rival_list21_insert(&r->next, end, old_end);
		if (start <= r->start && end > r->start)
			r->start = end;
		else if (start > r->start && start < old_end)
			r->end = start;
		if (end <= old_end)
			return;
	}
}

static inline void rival_qemu21_update(struct rival_range **list, __u64 gfn,
				       __u64 npages, _Bool shared)
{
	if (shared)
		rival_qemu21_share(list, gfn, gfn + npages);
	else
		rival_qemu21_hide(list, gfn, gfn + npages);
}

static inline void rival_list21_free(struct rival_range **list)
{
	struct rival_range *r;

	while ((r = *list)) {
		*list = r->next;
		rival_free(r);
	}
}

#endif /* HCB_RIVALS_H */
