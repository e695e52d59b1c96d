/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The part of QEMU's interface for plugins (version 1) that is used here, as its header is in no
 * package of Debian 12; and what both plugins do alike: they take out=FILE, and meet marks.
 */
#ifndef HCB_PLUGIN_H
#define HCB_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "mark.h"

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t plugin_id;

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
					   void (*cb)(plugin_id id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
					  void (*cb)(unsigned int vcpu, void *data),
					  int flags, void *data);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*cb)(unsigned int vcpu, void *data),
					    int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op,
						void *ptr, uint64_t imm);

/* What a plugin has. */
extern int qemu_plugin_version;
int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

/* The file of out=FILE, the only option; NULL: QEMU is to refuse the plugin. */
static inline FILE *plugin_out(int argc, char **argv)
{
	return argc == 1 && !strncmp(argv[0], "out=", 4) ? fopen(argv[0] + 4, "w") : NULL;
}

/* Does it begin with these n bytes, and has it this size? */
static inline bool plugin_is(const struct qemu_plugin_insn *insn, const void *bytes, size_t n, size_t size)
{
	return qemu_plugin_insn_size(insn) == size && !memcmp(qemu_plugin_insn_data(insn), bytes, n);
}

/* Is the instruction a mark?  Then call this each time, with the mark's number as data. */
static inline void plugin_on_mark(struct qemu_plugin_insn *insn, void (*cb)(unsigned int vcpu, void *data))
{
	static const uint8_t mark[] = { MARK_BYTES };
	const uint8_t *bytes = qemu_plugin_insn_data(insn);

	if (plugin_is(insn, mark, sizeof(mark), sizeof(mark) + 1))
		qemu_plugin_register_vcpu_insn_exec_cb(insn, cb, 0, (void *)(uintptr_t)bytes[sizeof(mark)]);
}

#endif /* HCB_PLUGIN_H */
