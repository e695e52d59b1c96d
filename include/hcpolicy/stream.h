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
	uint8_t reserved[6];	/* 0 */
};

/*
 * Write the set.  While vCPUs run the result is of no one moment: stop them first.
 * -EUCLEAN: the set is not complete, or not kept any more, and no force (if it became
 * so in between, the stream has no end and no restore takes it); what write() said
 * otherwise.
 */
int hcp_set__save(const struct hcp_set *set, hcp_write_fn write, void *ctx,
		  const struct hcp_stream_opts *opts);

/*
 * Replace the contents of set by those of a stream; no vCPU may run.  The guest's memory
 * and vCPUs have to be those of the moment of the save, as on the target of a migration
 * or where a snapshot was loaded.  A guest that has gone on may have asked for more since
 * then, which no stream knows: say late if that may be.
 *
 * Nothing of the stream is read beyond its end.  On an error nothing has changed.
 * -EBADMSG: not such a stream, or damaged; -EPROTONOSUPPORT: of a version that is not
 * known; -ENODATA: it ends early; -ERANGE: it shares pages beyond this set; -EUCLEAN:
 * saved from an incomplete set, and no force; -ENOMEM; what read() said otherwise.
 *
 * missed is the stream's afterwards; HCP_LATE is set if late, or if the saved set had any
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
