/* SPDX-License-Identifier: GPL-2.0 */
/* What wants.bpf.c is to call. */
#ifndef HCST_WANTS_H
#define HCST_WANTS_H

enum wants {
	WANTS_NOTHING,		/* that any program of BPF's may not call */
	WANTS_COOKIE,
	WANTS_FUNC_IP,
	WANTS_FUNC_ARG,
	WANTS_FUNC_ARG_CNT,
	WANTS_FUNC_RET,
	WANTS_GET_RETVAL,
	WANTS_SET_RETVAL,
	WANTS_LOCAL_STORAGE,
	WANTS_SETSOCKOPT,
	WANTS_SESSION,
};

#endif /* HCST_WANTS_H */
