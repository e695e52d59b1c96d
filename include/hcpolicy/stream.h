/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * The shared-page set as a stream of bytes, for a file or inside a VMM's migration.  The format
 * is set-stream(5).
 *
 * A stream is not trusted.  It is read to its end and checked before the set changes.
 *
 * Errors: functions return a negative errno and set errno.  opts->log, if set, gets the reason in
 * words.  -EINVAL: opts->sz is not set; -E2BIG: opts sets an option that this library does not
 * know.  If opts is shorter than the library's struct, the missing options are 0.
 */
#ifndef HCPOLICY_STREAM_H
#define HCPOLICY_STREAM_H

#include <hcpolicy/set.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Move exactly len bytes.  Returns 0 or a negative errno; a reader at its end returns -ENODATA.
 */
typedef int (*hcp_write_fn)(void *ctx, const void *buf, size_t len);
typedef int (*hcp_read_fn)(void *ctx, void *buf, size_t len);

/*
 * What a stream says about itself.  Version 1 does not say whether the guest was stopped during
 * the save.  Whoever restores one has to know.
 */
struct hcp_stream_info {
	size_t sz;		/* sizeof(struct hcp_stream_info) */
	uint64_t npages;	/* the size of the saved set */
	uint64_t reach;		/* its reach */
	uint64_t shared, missed, beyond;
	uint64_t saved_at;	/* CLOCK_REALTIME, ns; 0: unknown (version 1) */
	uint32_t version;
	uint32_t state;		/* enum hcp_state */
	char label[HCP_NAME_LEN];	/* "": none */
};

struct hcp_stream_opts {
	size_t sz;		/* sizeof(struct hcp_stream_opts) */
	void (*log)(void *ctx, const char *line);
	void *log_ctx;
	/*
	 * save: is the set still kept?  False: it is not complete.  NULL: it is kept.  For a
	 * policy call hcpolicy__attached(), because the set does not know that a link has ended.
	 */
	bool (*kept)(void *ctx);
	void *kept_ctx;
	bool force;		/* accept a set that is not complete */
	bool late;		/* restore: the guest may have run since the save: HCP_LATE */
	bool running;		/* save: the guest may be running: HCP_RUNNING in the stream */
	bool any_label;		/* restore: accept any label */
	uint8_t reserved[4];	/* 0 */
	/* restore: gets what was read and checked, also on an error; or NULL. */
	struct hcp_stream_info *info;
	/*
	 * restore: has the guest been stopped all the time?  Called when the contents are in
	 * place and before the set becomes complete.  NULL: it has.
	 */
	bool (*still)(void *ctx);
	void *still_ctx;
};

/*
 * Write the set as a stream.  Stop the vCPUs first, because a set that is saved while they run has
 * words of different moments.  If you cannot, set running: the save then works, and the restore
 * needs force.
 *
 * -EUCLEAN: no force, and the set is not complete or no longer kept.  It may also become so
 * during the save, or a reset or restore may run at the same time; the stream then has no end,
 * and no restore accepts it.  Other errors are those of write().
 */
int hcp_set__save(const struct hcp_set *set, hcp_write_fn write, void *ctx,
		  const struct hcp_stream_opts *opts);

/*
 * Replace the contents of set by those of a stream.  No vCPU may run.  The guest's memory and
 * vCPUs must be those of the moment of the save, as on the target of a migration or after a
 * snapshot was loaded.  If the guest may have run since the save, set late, because the stream
 * lacks its later requests.
 *
 * A stream with a label is refused if the set has another label, or none.  any_label accepts it,
 * which is right inside a migration.  A stream without a label is accepted; info->label is
 * then empty, and the caller should tell its user.
 *
 * Nothing is read beyond the end of the stream.  After an error the set is unchanged, except after
 * -EBUSY: still() returned false, the contents are replaced, and the set is HCP_LATE.
 * -EBADMSG: not a stream of a set, or damaged; -EPROTONOSUPPORT: its version is unknown;
 * -ENODATA: it ends early; -ERANGE: it shares pages beyond this set; -EUCLEAN: the saved set was
 * not complete, and no force; -EMEDIUMTYPE: it has another label; -ENOMEM.  Other errors are
 * those of read().
 *
 * Afterwards missed and beyond are the stream's.  If the stream has requests beyond, the reach is
 * at most the stream's, however large this set is.  The states:
 *
 * - HCP_AWAITS_RESTORE ends.
 * - HCP_RUNNING is the stream's.
 * - HCP_LATE is set if late is set, or if the saved set had any other state: for this set, that
 *   means that earlier requests are unknown.
 * - HCP_DETACHED and HCP_UNATTACHED say something about this set, so they stay.  Attach first,
 *   then restore.
 */
int hcp_set__restore(struct hcp_set *set, hcp_read_fn read, void *ctx,
		     const struct hcp_stream_opts *opts);

/* Save to and restore from a file descriptor.  It then stands at the end of the stream. */
int hcp_set__save_fd(const struct hcp_set *set, int fd, const struct hcp_stream_opts *opts);
int hcp_set__restore_fd(struct hcp_set *set, int fd, const struct hcp_stream_opts *opts);

/*
 * Save to and restore from memory, for a VMM that puts the stream into its own.  Errors are those of
 * hcp_set__save() and hcp_set__restore().  save_mem returns len bytes at *buf, which the caller frees
 * with free().  After an error *buf is NULL and *len is 0.  restore_mem wants exactly one stream: if
 * bytes follow it, that is -EBADMSG, and the set is unchanged.
 */
int hcp_set__save_mem(const struct hcp_set *set, void **buf, size_t *len,
		      const struct hcp_stream_opts *opts);
int hcp_set__restore_mem(struct hcp_set *set, const void *buf, size_t len,
			 const struct hcp_stream_opts *opts);

#ifdef __cplusplus
}
#endif
#endif /* HCPOLICY_STREAM_H */
