// SPDX-License-Identifier: GPL-2.0
/*
 * Two VMs in one process: the second is made under the number of a descriptor under
 * which the first was made, which has moved on.  One line of stdin each, and one of
 * stdout in answer (the first before any):
 *
 *	run		the first VM's guest makes a request
 *	second		the second VM is made; it never runs
 */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvm_uapi.h"
#include "tap.h"
#include "vm.h"

int main(void)
{
	struct vm *one = vm_new(1, false);
	int number = one->fd;
	char line[16];

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("one is %d\n", one->fd);
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "run\n")) {
			vcpu_call(&one->vcpus[0], VM_FREE_GPA, 1, SHARE);
			puts("it has run");
		} else {
			one->fd = dup(number);
			close(number);
			CHECK_EQ(ioctl(one->kvm_fd, KVM_CREATE_VM, KVM_X86_DEFAULT_VM), number);
			printf("one is %d\n", one->fd);
		}
	}
	return 0;
}
