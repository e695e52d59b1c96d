/* SPDX-License-Identifier: GPL-2.0 */
/*
 * KVM's folders in debugfs: kvm/TID-FD, one for each VM.
 *
 * TID and FD do not identify the VM.  They are numbers of its creation: descriptor numbers
 * are used again, and a container has other thread ids.  But the file "hcpolicy" in a folder
 * names the link of the VM's policy.  Rule: open the folder once and read everything through
 * its descriptor, so that no file can belong to a VM that was created later.
 */
#ifndef FOLDERS_H
#define FOLDERS_H

#include <dirent.h>
#include <stdbool.h>
#include <sys/types.h>

#define FOLDERS_LINE	128

struct folder {
	int fd;			/* the caller closes it */
	char name[32];
	pid_t tid;		/* in the initial pid namespace */
};

/* NULL and *why: they cannot be seen.  errno ENODEV: because there can be no VM. */
DIR *folders_open(const char **why);
/* False: there is no folder of that name. */
bool folders_at(DIR *dir, const char *name, struct folder *folder);
bool folders_next(DIR *dir, struct folder *folder);

/* Read a file of one line.  0 or a negative errno. */
int folder_read(int fd, const char *file, char line[FOLDERS_LINE]);
/* The link of the VM's policy, 0 if it has none.  -ENOENT: the VM has ended, or this KVM does not say. */
int folder_link(int fd, unsigned int *link);
/* Has KVM removed it?  It does so as it ends the VM. */
bool folder_gone(int fd);

#endif /* FOLDERS_H */
