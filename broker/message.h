/* SPDX-License-Identifier: GPL-2.0 */
/* Is what a client sent a request, as hcpolicy/broker.h describes it? */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <hcpolicy/broker.h>

/* 0, or an errno, and in why what is wrong. */
int message_check(const struct hcp_broker_request *request, size_t len, char *why, size_t size);

#endif /* MESSAGE_H */
