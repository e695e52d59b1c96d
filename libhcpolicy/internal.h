/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * A policy object, shared by the files of libhcpolicy.  It is in one of three stages:
 * opened (obj, no maps), loaded (obj and set), or found (no obj).  A found one was opened by
 * pins, descriptors or ids, and may lack the link or a map.  link_fd is set after attach.
 */
#ifndef HCPOLICY_INTERNAL_H
#define HCPOLICY_INTERNAL_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <hcpolicy/policy.h>
#include "opts.h"

/* How the kernel lays out the value of a kvm_hcpolicy_ops map. */
struct ops_type {
	int btf_fd;		/* the module's, -1: built into the kernel */
	__u32 btf_id, id;
	__u32 size;		/* 0: unknown yet */
	__u32 vm_fd, flags, map_gpa_range, name;	/* offsets */
};

/* A map that is the policy's own business.  The name is that of its pin. */
struct own_map {
	char name[HCP_NAME_LEN];
	int fd;
};

/* Parameters of a policy that was found: a map's value, and its BTF. */
struct found_section {
	struct btf *btf;	/* NULL: not looked at yet */
	__u32 type_id;
	void *data;
	size_t size;
};

struct hcpolicy {
	hcpolicy_log_fn log, warn;
	void *log_ctx;
	char *bpffs;
	bool verifier_said_no;		/* seen in libbpf's messages */

	char policy[HCP_NAME_LEN];	/* the policy's name */
	char name[HCP_NAME_LEN];	/* its attachment's name; "": none */

	void *bytes;			/* obj's file */
	size_t size;
	struct bpf_object *obj;
	struct bpf_program *prog;	/* in obj: map_gpa_range */
	struct bpf_map *ops;		/* in obj: the struct_ops map */
	struct ops_type type;
	uint64_t npages;		/* asked for; 0: the default */
	bool attachable;		/* loaded over its own maps, not attached yet */

	int lock_fd;		/* the folder of its name, -1: not locked */
	int shared_fd, info_fd;	/* -1: not there */
	struct own_map *own;	/* of a found policy; of a loaded one they are in obj */
	size_t nown;
	struct found_section found[3];	/* enum hcpolicy_param_kind */
	__u32 ops_id;		/* the struct_ops map by which it was attached, or found to keep this set; 0: none */
	bool finished_replace;	/* of another process that was cut short */
	int link_fd;		/* -1: none; only link_give() and link_take() change it */
	void *words;
	size_t words_size;
	struct hcp_info *info;
	char *counters;			/* those that the broker handed over; NULL: none */
	size_t counters_size;
	const uint64_t *lost;		/* in counters: of events; NULL: BTF finds it */
	struct hcp_info_1 *old;	/* NULL, or the map's contents, of which info is a copy: takeover.c */
	struct hcp_set *set;
};

/* log.c */
int fail(const struct hcpolicy *policy, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void say(const struct hcpolicy *policy, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int no_object(void);
void libbpf_talks_to(struct hcpolicy *policy);

/* policy.c */
struct hcpolicy *policy_new(const struct hcpolicy_opts *opts);
struct bpf_object *object_new(struct hcpolicy *policy);

/* Would a terminal take this for more than text?  In UTF-8 the controls from 0x80 on are c2 80 to c2 9f. */
static inline bool is_control(const char *c)
{
	const unsigned char *u = (const unsigned char *)c;

	return u[0] < ' ' || u[0] == 0x7f || (u[0] == 0xc2 && u[1] >= 0x80 && u[1] < 0xa0);
}

/* file.c: a whole file; free() it. */
int read_file(const char *path, void **bytes, size_t *size);

/* fdinfo.c: reports nothing */
/* type, sizes, flags and id.  -EINVAL: not a map; else /proc cannot be read. */
int map_info(int fd, struct bpf_map_info *map);
/* id, and struct_ops.map_id: 0 once it has ended.  -EINVAL: not a struct_ops link. */
int link_info(int fd, struct bpf_link_info *link);
__u32 object_id(int fd);	/* of a map or a link; 0: it has none */
bool same_object(int a, int b);	/* two descriptors; -1: none, which is no object */

/* ring.c: reports nothing.  fn gets each record, which is gone when it returns. */
struct ring;
typedef void (*ring_fn)(void *ctx, const void *record, size_t size);
struct ring *ring_open(int fd);		/* NULL, and errno */
void ring_close(struct ring *ring);
/* Returns how many.  *lost is set if some were not read, and will not be. */
int ring_read(struct ring *ring, ring_fn fn, void *ctx, bool *lost);

/* maps.c */
int maps_open(struct hcpolicy *policy, bool fresh);
void maps_close(struct hcpolicy *policy);

/* load.c: load a copy of the opened object; on an error the opened one comes back. */
int load_begin(struct hcpolicy *policy, struct bpf_object **opened);
int load_object(struct hcpolicy *policy);
int load_end(struct hcpolicy *policy, struct bpf_object *opened, int err);

/* load.c: is it opened and not loaded? */
int check_opened(const struct hcpolicy *policy);

/* params.c */
#define PARAMS_FIXED	".rodata"
#define PARAMS_TUNABLE	".data.settings"
#define PARAMS_COUNTERS	".data.counters"
void params_close(struct hcpolicy *policy);
int params_check(struct hcpolicy *policy);	/* of an opened one: -EINVAL */
int params_counter(struct hcpolicy *policy, const char *name, uint64_t *value);	/* -ENOENT */

/* own.c: the policy's own maps */
int own_check(const struct hcpolicy *policy);
int own_add(struct hcpolicy *policy, const char *name, int fd);	/* takes fd */
int own_fd(const struct hcpolicy *policy, const char *map);	/* -ENOENT */
int own_pin(const struct hcpolicy *policy, int dir, const char *folder);
int own_open(struct hcpolicy *policy, int dir);
int own_hand_on(const struct hcpolicy *policy, struct hcpolicy *next);
void own_close(struct hcpolicy *policy);
#define OWN_MAPS	"maps"
#define OWN_MAPS_NEW	"~maps"	/* of a replacement that is under way */
#define INFO_NEW	"~info"	/* its hcp_info, if hcpolicy 0.1 attached what it replaces */

/* ops.c */
int ops_find(struct hcpolicy *policy);
int ops_type_load(struct hcpolicy *policy, int map_fd);
void ops_type_close(struct hcpolicy *policy);
int ops_create(struct hcpolicy *policy, int vm_fd, __u32 flags);

/* attach.c */
void link_give(struct hcpolicy *policy, int fd);
int link_take(struct hcpolicy *policy);

/* found.c */
void set_state(struct hcpolicy *policy, __u32 set, __u32 clear);
void replaced_by(struct hcp_info *info, const char *name, __u32 ops_id);
/* Of the names: held; not held, and to be taken if that is needed (-EAGAIN, not reported); there is none. */
enum lock { LOCK_HELD, LOCK_CAN, LOCK_NONE };
int open_parts(struct hcpolicy *policy, enum lock lock);

/* folder.c: errors are reported, unless a line says otherwise. */
#define FOLDER		"hcpolicy"
#define FOLDER_NEW	"~new"	/* never a valid NAME */
#define FOLDER_OLD	"~old"
/* *folder < 0: there is none. */
int folder_open(const struct hcpolicy *policy, bool create, int *folder);
int flock_wait(const struct hcpolicy *policy, int fd, const char *name);
int folder_lock(const struct hcpolicy *policy, int folder);	/* held until close */
void folder_close(int folder);
/* Does not report -ENOENT. */
int folder_of_name(const struct hcpolicy *policy, int folder, const char *name);
int folder_remove(int folder, const char *name);	/* reports nothing */
int pin_put(int dir, const char *file, int fd);
int pin_get(int dir, const char *file);

/* pin.c */
bool name_valid(const char *name);
/*
 * What a replacement does not share, in its predecessor's folder; nothing if that is not pinned.
 * The folder is locked from then on: folder_close(at->folder) when hcp_info has the replacement, too.
 */
struct pin_next {
	int folder, dir;	/* -1: not pinned */
};
int pin_next_begin(struct hcpolicy *policy, const struct hcpolicy *next, struct pin_next *at);
void pin_next_end(struct hcpolicy *policy, struct pin_next *at, bool replaced);

/* ids.c: reports nothing */
struct kept {
	char policy[KVM_HCPOLICY_NAME_LEN];
	int shared_fd, info_fd;		/* -1: the program has no map of that name */
};
/* The set that the program of a struct_ops map keeps.  -EOPNOTSUPP: not a policy. */
int ids_kept(struct hcpolicy *policy, __u32 ops_id, struct kept *kept);
void kept_close(struct kept *kept);
int kept_info(const struct kept *kept, struct hcp_info *info);	/* a copy; -ENOENT */
/* The link of that id; one that is being attached is waited for.  -ENOENT, -EPERM. */
int ids_link(__u32 id);
/* Open the next attached policy's link, in the order of ids.  -ENOENT: no more; -EPERM. */
int ids_next(struct hcpolicy *policy, __u32 *id, struct kept *kept);
/* The set that this link's program keeps: mark it HCP_FOREIGN if it is another link's. */
void ids_mark(__u32 link_id, const struct kept *kept);
/* The link whose program has this map. */
int ids_find_link(struct hcpolicy *policy, int map_fd);

/* old.c: hcp_info of version 1 */
struct hcp_info_1;
bool old_map(int info_fd);
void old_read(const struct hcp_info_1 *old, struct hcp_info *info);

/* takeover.c: a replacement of what hcpolicy 0.1 attached; reports nothing */
/* next's hcp_info becomes policy's, and is not complete until one of the other two. */
void takeover_begin(const struct hcpolicy *policy, struct hcpolicy *next);
bool takeover_done(const struct hcp_info_1 *old);
void takeover_undo(struct hcp_info_1 *old);
void takeover_end(struct hcp_info_1 *old, struct hcp_info *info);
/* Was a replacement cut short, or is it at work? */
bool takeover_unfinished(struct hcpolicy *policy, int shared_fd, int info_fd, int link_fd);
/* Under the lock: finish it.  Returns the new hcp_info; -1: the old one stays. */
int takeover_finish(struct hcpolicy *policy, int shared_fd, int info_fd, int link_fd);

#endif /* HCPOLICY_INTERNAL_H */
