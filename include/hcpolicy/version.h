/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * The version of everything here.  This is its one place: config.mk reads it for
 * the libraries, pkg-config and the kit.
 */
#ifndef HCPOLICY_VERSION_H
#define HCPOLICY_VERSION_H

#define HCP_VERSION	"0.2.0"

#endif /* HCPOLICY_VERSION_H */
