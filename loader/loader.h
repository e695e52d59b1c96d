/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the hcpolicy command share: the parsed command line, the commands, and
 * helpers that several of them use.  Each command returns an exit status.  All output goes
 * through out.h.
 */
#ifndef LOADER_H
#define LOADER_H

#include <dirent.h>
#include <sys/types.h>
#include <hcpolicy/policy.h>
#include "text.h"

enum { EXIT_OK, EXIT_FAIL, EXIT_USAGE };

struct args {
	const char *words[2];		/* what follows the command */
	int nwords;
	const char **params;		/* KEY=VALUE, each with its = */
	int nparams;
	const char *name, *label;
	pid_t pid;
	int pidfd;			/* of pid; -1: not opened */
	int vm_fd;			/* -1: find it */
	int wait;			/* seconds, for its VM; 0: do not wait, -1: without end */
	uint64_t max_gpa;		/* 0: the library's default */
	int id;				/* a link's id, instead of a name; 0: none */
	bool take_exits, force, follow, with_its_guest, running, any_label;
	bool incoming, arrived, all, exits, quiet, cost, check;
	const char *svg;		/* a file for the picture */
	const char *from;		/* a policy to begin with; NULL: the template */
	const char *conf;		/* a file of rules; NULL: the usual one */
	bool *taken;			/* set if KVM says that the VM has a policy, which is then no error */
};

int cmd_attach(const struct args *args);
int cmd_auto(const struct args *args);
int cmd_replace(const struct args *args);
int cmd_detach(const struct args *args);
int cmd_list(const struct args *args);
int cmd_metrics(const struct args *args);
int cmd_show(const struct args *args);
int cmd_ranges(const struct args *args);
int cmd_draw(const struct args *args);
int cmd_save(const struct args *args);
int cmd_restore(const struct args *args);
int cmd_reset(const struct args *args);
int cmd_policies(const struct args *args);
int cmd_tune(const struct args *args);
int cmd_watch(const struct args *args);
int cmd_record(const struct args *args);
int cmd_verify(const struct args *args);
int cmd_new(const struct args *args);
int cmd_try(const struct args *args);
int cmd_probe(const struct args *args);

/* policies.c: "parameters": [] */
struct json_object;
void put_params(struct json_object *obj, struct hcpolicy *policy);
void print_params(struct hcpolicy *policy);
const char *number_text(const char *number);

/* probe.c: can policies be called here?  text: what was found, or the remedy. */
bool probe_hook(char *text, size_t size);

/* help.c: becomes man(1) with that page of section 8, or warns and returns. */
void help_page(const char *page);

/* attach.c: a call of the library failed.  What it logged says more than its errno.  EXIT_FAIL. */
int lib_failed(const char *name, const char *doing);
/* Open a policy and set its parameters.  NULL: an error that was reported. */
struct hcpolicy *open_policy(const char *name, const struct args *args);
/* Can the attachment of that process have that name?  Reports it if not. */
bool name_fits(const char *name, pid_t pid);
/* What attach does, but for what it prints in the end.  NULL: an error that was reported. */
struct hcpolicy *attach_vm(const struct args *args);

/* proc.c: what /proc tells about a process and its VMs. */
void proc_comm(pid_t pid, char comm[32]);
uint64_t proc_start_time(pid_t pid);
/* The kernel's PROC_PID_INIT_INO: the pid namespace in which every process can be seen. */
#define INITIAL_PID_NS	0xEFFFFFFCUL
uint64_t proc_pid_ns(void);
uint64_t proc_map_memory(int fd);	/* of a BPF map that this process has open; 0: not known */
bool proc_elsewhere(const struct hcp_info *info);
bool proc_next(DIR *dir, int *number);
bool proc_fd_is_vm(pid_t pid, int fd);
/* To list what a process has open takes the second, if it is another user's; to see what that is, the first. */
#define CAPS_TO_LOOK "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
bool proc_has_vm(pid_t pid);	/* false: errno is 0, or why that cannot be seen */
pid_t proc_of_thread(pid_t tid);	/* its process; 0: there is none */
bool proc_awaits_guest(pid_t pid, char *arg, size_t size);
/* The pidfd by which pid stays that process.  -1: an error that was reported. */
int proc_open(pid_t pid);
int proc_take_vm(pid_t pid, int pidfd, int *vm_fd, int seconds);

/* follow.c: a live view until the VM's end; or a negative errno, which was reported. */
struct draw_style;
int draw_follow(struct hcpolicy *policy, const struct draw_style *style,
		unsigned int (*width)(void));

/* pins.c: policies by name. */
#define PIN_ROOT "/sys/fs/bpf"
const struct hcpolicy_opts *policy_opts(void);
void pins_use_bpffs(const char *folder);
struct hcpolicy *pins_open_alive(const char *name);
bool pins_remove_dead(struct hcpolicy *policy);
/* Keep back what the library says of an error, until it is said or dropped. */
void pins_hold_log(void);
void pins_end_hold(bool say);
void pins_mark_foreign(void);	/* before a command says whether sets are complete */

/* counters.c: the kernel's counters of the policy's VM; NULL and *why if there are none. */
struct json_object;
struct json_object *counters_read(const struct hcpolicy *policy, const char **why);
/* Can counters be read on this machine? */
bool counters_readable(const char **why);
/* The link of the policy of the only VM that a process has made and that is left; 0: it cannot be told. */
unsigned int counters_link(pid_t pid);
/* The thread that made the VM whose policy has that link (in the initial pid namespace). */
bool counters_creator(unsigned int link, int *tid, const char **why);
/* The folder in debugfs (folders.h) of a VM, for as long as it lives.  -1: it cannot be found. */
int counters_folder(const struct hcp_info *info);

#endif /* LOADER_H */
