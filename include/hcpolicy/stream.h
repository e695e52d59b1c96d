/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * The shared-page set as a stream of bytes: for a file, or as a part of a VMM's own
 * migration stream.  The format is docs/set-stream.md.
 *
 * A stream is not trusted: it is read to its end and checked before the first bit of
 * the set changes.
 *
 * Errors: a negative errno is returned and errno is set; the reason in words goes to
 * opts->log if there is one.  -EINVAL: opts->sz is not set; -E2BIG: opts asks for what this
 * library does not know; what a shorter opts lacks is 0.
 */
#ifndef HCPOLICY_STREAM_H
#define HCPOLICY_STREAM_H

#include <hcpolicy/set.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Move exactly len bytes: 0, or a negative errno.  A reader at its end says
 * -ENODATA.
 */
typedef int (*hcp_write_fn)(void *ctx, const void *buf, size_t len);
typedef int (*hcp_read_fn)(void *ctx, void *buf, size_t len);

/*
 * What a stream says of itself.  Version 1 does not say whether the guest stood still when
 * it was saved: who restores one has to know.
 */
struct hcp_stream_info {
	size_t sz;		/* sizeof(struct hcp_stream_info) */
	uint64_t npages;	/* the size of the set that was saved */
	uint64_t reach;		/* and how far it could be trusted */
	uint64_t shared, missed, beyond;
	uint64_t saved_at;	/* CLOCK_REALTIME, ns; 0: not known (version 1) */
	uint32_t version;
	uint32_t state;		/* enum hcp_state */
	char label[HCP_NAME_LEN];	/* "": none */
};

struct hcp_stream_opts {
	size_t sz;		/* sizeof(struct hcp_stream_opts) */
	void (*log)(void *ctx, const char *line);
	void *log_ctx;
	/*
	 * save: is the set still kept?  For a policy: hcpolicy__attached() of kept_ctx, as a
	 * link can end and nobody notes it in the set.  If not, the set is not complete.
	 * NULL: it is.
	 */
	bool (*kept)(void *ctx);
	void *kept_ctx;
	bool force;		/* an incomplete set too */
	bool late;		/* restore: the guest may have gone on since: HCP_LATE */
	bool running;		/* save: the guest may be running: HCP_RUNNING, in the stream */
	bool any_label;		/* restore: whatever label the stream has */
	uint8_t reserved[4];	/* 0 */
	/* restore: filled in as far as it was read and checked, also on an error; or NULL. */
	struct hcp_stream_info *info;
	/*
	 * restore: asked when all is in place and before the set is called complete: has the
	 * guest stood still all the time?  NULL: it has.
	 */
	bool (*still)(void *ctx);
	void *still_ctx;
};

/*
 * Write the set.  While vCPUs run the result is of no one moment: stop them first, or say
 * running, which needs no force here and does at the restore.
 * -EUCLEAN: the set is not complete, or not kept any more, and no force (if it became
 * so in between, or a reset or restore was at work on it, the stream has no end and no
 * restore takes it); what write() said otherwise.
 */
int hcp_set__save(const struct hcp_set *set, hcp_write_fn write, void *ctx,
		  const struct hcp_stream_opts *opts);

/*
 * Replace the contents of set by those of a stream; no vCPU may run.  The guest's memory
 * and vCPUs have to be those of the moment of the save, as on the target of a migration
 * or where a snapshot was loaded.  A guest that has gone on may have asked for more since
 * then, which no stream knows: say late if that may be.
 *
 * A stream with a label is of the guest that its owner calls so: it is refused if the set
 * has another label, or none, unless any_label is said, as a migration in band does.  One
 * without a label is taken; info->label is empty then, and whoever asked should hear it.
 *
 * Nothing of the stream is read beyond its end.  On an error nothing has changed, but
 * for -EBUSY: still() said no, the contents are replaced, and the set is HCP_LATE.
 * -EBADMSG: not such a stream, or damaged; -EPROTONOSUPPORT: of a version that is not
 * known; -ENODATA: it ends early; -ERANGE: it shares pages beyond this set; -EUCLEAN:
 * saved from an incomplete set, and no force; -EMEDIUMTYPE: it has another label;
 * -ENOMEM; what read() said otherwise.
 *
 * missed and beyond are the stream's afterwards.  If it had requests beyond, the reach
 * is no more than the stream's, however large this set is.  HCP_AWAITS_RESTORE ends.
 * HCP_RUNNING is the stream's; HCP_LATE is set if late, or if the saved set had any other
 * state, whatever it was: from here it is an earlier request that is unknown.
 * HCP_DETACHED and HCP_UNATTACHED are about this set and stay, so attach first, then
 * restore.
 */
int hcp_set__restore(struct hcp_set *set, hcp_read_fn read, void *ctx,
		     const struct hcp_stream_opts *opts);

/* The same on a file descriptor, which is left where the stream ends. */
int hcp_set__save_fd(const struct hcp_set *set, int fd, const struct hcp_stream_opts *opts);
int hcp_set__restore_fd(struct hcp_set *set, int fd, const struct hcp_stream_opts *opts);

#ifdef __cplusplus
}
#endif
#endif /* HCPOLICY_STREAM_H */
