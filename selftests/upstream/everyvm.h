/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a program's preloaded half (preload.c) asks everyvm to attach: it connects
 * to the abstract socket of this name, sends the VM's descriptor, and waits for
 * one int: 0 or an errno.
 */
#ifndef EVERYVM_H
#define EVERYVM_H

#define EVERYVM_SOCKET "EVERYVM_SOCKET"	/* environment: the socket's name */

#endif /* EVERYVM_H */
