/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HCVM_EXITS_H
#define HCVM_EXITS_H

#include "vm.h"

/* Handles the exit that KVM_RUN has just returned. */
void handle_exit(struct vcpu *vcpu);

#endif /* HCVM_EXITS_H */
