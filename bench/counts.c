// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of QEMU that counts how often each instruction runs between two marks, which
 * the program that is measured executes (cost.c, -p):
 *
 *	-plugin counts.so,out=FILE
 *
 * Mark 0 sets all counts to zero.  Mark N writes to FILE "mark N", and a line "PC COUNT"
 * for each instruction that has run since.  A mark is a nop with a displacement that
 * nobody else uses.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "plugin.h"

int qemu_plugin_version = 1;

struct count {
	uint64_t pc, n;
	struct count *next;
};

#define BUCKETS	(1 << 18)
static struct count *counts[BUCKETS];
static FILE *out;

static struct count *count_of(uint64_t pc)
{
	struct count **at = &counts[(pc ^ pc >> 18) % BUCKETS];

	while (*at && (*at)->pc != pc)
		at = &(*at)->next;
	if (!*at) {
		*at = calloc(1, sizeof(**at));
		(*at)->pc = pc;
	}
	return *at;
}

static void marked(unsigned int vcpu, void *data)
{
	uintptr_t mark = (uintptr_t)data;
	struct count *c;
	size_t i;

	if (mark)
		fprintf(out, "mark %" PRIuPTR "\n", mark);
	for (i = 0; i < BUCKETS; i++) {
		for (c = counts[i]; c; c = c->next) {
			if (mark && c->n)
				fprintf(out, "%" PRIx64 " %" PRIu64 "\n", c->pc, c->n);
			c->n = 0;
		}
	}
	fflush(out);
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);
	struct qemu_plugin_insn *insn;

	for (i = 0; i < n; i++) {
		insn = qemu_plugin_tb_get_insn(tb, i);
		plugin_on_mark(insn, marked);
		qemu_plugin_register_vcpu_insn_exec_inline(insn, 0,
				&count_of(qemu_plugin_insn_vaddr(insn))->n, 1);
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
