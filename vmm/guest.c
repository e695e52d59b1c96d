// SPDX-License-Identifier: GPL-2.0
/* Booting a guest ELF by PVH (guest/x86/load.c), and its key (guest/crypt.h). */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../guest/find.h"
#include "../guest/load.h"
#include "../guest/mailbox.h"
#include "guest.h"

int guest_load(struct vm *vm)
{
	const char *elf = vm->cfg->guest;
	struct hcguest guest;
	char path[PATH_MAX];
	unsigned int i, n;

	if (!strcmp(elf, HCGUEST_ELF) && access(elf, F_OK))
		elf = hcguest_find(path);
	if (hcguest_load(elf, vm->slots[0].hva, vm->slots[0].size, vm->cfg->append,
			 &guest))
		return fail("%s", guest.error);
	n = guest.vcpu_entry ? vm->nvcpus : 1;
	if (n < vm->nvcpus)
		note("guest '%s' has no entry for other vCPUs: it runs on one", elf);
	for (i = 0; i < n; i++)
		if (hcguest_start_vcpu(vm->fd, vm->vcpus[i].fd, &guest, i))
			return fail("%s", guest.error);
	return 0;
}

/* Random and not 0.  It stands for the key that a security processor makes for each VM. */
int guest_key(struct vm *vm)
{
	if (!vm->cfg->encrypt)
		return 0;
	while (!vm->key)
		if (getrandom(&vm->key, sizeof(vm->key), 0) != sizeof(vm->key))
			return fail_errno("no random key");
	memcpy(vm_hva(vm, HCG_KEY_GPA, sizeof(vm->key)), &vm->key, sizeof(vm->key));
	return 0;
}
