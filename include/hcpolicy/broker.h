/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * What a VMM and the broker (hcpolicyd) say to each other.  A VMM in C calls hcpolicy__request()
 * (hcpolicy/policy.h) and needs nothing of this; it is for VMMs in other languages.
 *
 * The socket is a UNIX socket of type SOCK_SEQPACKET.  The VMM connects, sends one request with the
 * VM's descriptor (SCM_RIGHTS), and receives one answer.  Then the broker closes the connection.  The
 * broker takes the process that connected for the one whose VM it is.
 *
 * Everything has a fixed size and is little-endian.  Texts end with a zero byte, and all bytes after
 * that are zero.  The broker refuses everything else: another length, an unknown flag, a descriptor
 * more or less.
 */
#ifndef HCPOLICY_BROKER_H
#define HCPOLICY_BROKER_H

#include <hcpolicy/abi.h>

#define HCP_BROKER_SOCKET	"/run/hcpolicy/broker"
#define HCP_BROKER_VERSION	1
#define HCP_BROKER_PARAMS	16
#define HCP_BROKER_PARAM_LEN	128
#define HCP_BROKER_TEXT_LEN	1024

enum hcp_broker_flags {
	/* As in struct hcpolicy_attach_opts. */
	HCP_BROKER_TAKE_EXITS = 1 << 0,
	HCP_BROKER_INCOMING = 1 << 1,
};

struct hcp_broker_request {
	__u32 version;		/* HCP_BROKER_VERSION */
	__u32 flags;		/* enum hcp_broker_flags, ored */
	__u64 max_gpa;		/* as for hcpolicy__set_max_gpa(); 0: the default */
	__s32 vm_fd;		/* the number that the VM's descriptor has in the VMM */
	__u32 reserved;		/* 0 */
	char policy[HCP_NAME_LEN];	/* a name, not a path */
	char name[HCP_NAME_LEN];	/* of the attachment; "": the number of the process */
	char label[HCP_NAME_LEN];	/* "": none */
	/* KEY=VALUE; those that are not used are "", and come last. */
	char params[HCP_BROKER_PARAMS][HCP_BROKER_PARAM_LEN];
};

/*
 * The descriptors of an answer, in this order.  A policy that sends no events has the first three.
 * The last HCP_EVENT_RINGS are the rings.
 */
enum hcp_broker_fds {
	HCP_BROKER_LINK,
	HCP_BROKER_SHARED,	/* the maps hcp_shared and hcp_info */
	HCP_BROKER_INFO,
	HCP_BROKER_NO_EVENTS,	/* how many these are */
	HCP_BROKER_COUNTERS = HCP_BROKER_NO_EVENTS,	/* the map .data.counters */
	HCP_BROKER_EVENTS,
	HCP_BROKER_FDS = HCP_BROKER_EVENTS + HCP_EVENT_RINGS
};

/* version and error keep their places in every version, so that an older VMM can tell what is wrong. */
struct hcp_broker_answer {
	__u32 version;		/* HCP_BROKER_VERSION */
	/* 0, and descriptors come along; or an errno.  EAGAIN: ask again in a moment (hcpolicyd(8)). */
	__s32 error;
	__u32 lost_at;		/* where in the counters that of lost events is (8 bytes); 0 without events */
	__u32 reserved;		/* 0 */
	char text[HCP_BROKER_TEXT_LEN];	/* of an error: what failed, and what helps */
};

#endif /* HCPOLICY_BROKER_H */
