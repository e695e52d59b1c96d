/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What libvirt calls the VM of a process.  libvirt writes NAME.pid in its folder, where nobody else can,
 * before QEMU makes its VM.
 */
#ifndef DOMAIN_H
#define DOMAIN_H

#include <stdbool.h>
#include <sys/types.h>
#include <hcpolicy/abi.h>

/* False: it is no domain, or an attachment cannot have its name. */
bool domain_of(char name[HCP_NAME_LEN], pid_t pid);

#endif /* DOMAIN_H */
