// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of QEMU that counts instructions between two marks (mark.h) by who runs them: the
 * machine's kernel, its programs, or the guest in it.
 *
 *	-plugin modes.so,out=FILE
 *
 * Mark 0 sets the counts to zero.  The first VMRUN after it writes them to FILE and sets them to
 * zero, and so does any other mark.  The guest runs from each VMRUN until the instruction behind
 * it is reached, where AMD's processors go on after #VMEXIT.
 */
#include <inttypes.h>

#include "plugin.h"

#define KERNEL	0xffff800000000000

int qemu_plugin_version = 1;

enum mode { MODE_KERNEL, MODE_PROGRAMS, MODE_GUEST, NR_MODES };

static uint64_t executed, since, sums[NR_MODES];
static enum mode mode;
static bool in_guest, had_guest;
static uint64_t after_vmrun;
static FILE *out;

/* What was executed since the last call was in this mode. */
static void add_up(void)
{
	sums[mode] += executed - since;
	since = executed;
}

static void on_block(unsigned int vcpu, void *data)
{
	uint64_t pc = (uintptr_t)data;

	add_up();
	if (pc == after_vmrun)
		in_guest = false;
	mode = in_guest ? MODE_GUEST : pc >= KERNEL ? MODE_KERNEL : MODE_PROGRAMS;
}

static void tell(const char *when)
{
	fprintf(out, "%s: kernel %" PRIu64 " programs %" PRIu64 " guest %" PRIu64 "\n", when,
		sums[MODE_KERNEL], sums[MODE_PROGRAMS], sums[MODE_GUEST]);
	fflush(out);
}

static void on_vmrun(unsigned int vcpu, void *data)
{
	in_guest = true;
	after_vmrun = (uintptr_t)data;
	if (had_guest)
		return;
	had_guest = true;
	add_up();
	tell("before");
	memset(sums, 0, sizeof(sums));
}

static void on_mark(unsigned int vcpu, void *data)
{
	add_up();
	if (data)
		tell("after");
	had_guest = false;
	memset(sums, 0, sizeof(sums));
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	static const uint8_t vmrun[] = { 0x0f, 0x01, 0xd8 };
	size_t i, n = qemu_plugin_tb_n_insns(tb);
	struct qemu_plugin_insn *insn;

	qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, 0,
					     (void *)(uintptr_t)qemu_plugin_tb_vaddr(tb));
	for (i = 0; i < n; i++) {
		insn = qemu_plugin_tb_get_insn(tb, i);
		plugin_on_mark(insn, on_mark);
		if (plugin_is(insn, vmrun, sizeof(vmrun), sizeof(vmrun)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_vmrun, 0,
					(void *)(uintptr_t)(qemu_plugin_insn_vaddr(insn) + 3));
		qemu_plugin_register_vcpu_insn_exec_inline(insn, 0, &executed, 1);
	}
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	out = plugin_out(argc, argv);
	if (!out)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
