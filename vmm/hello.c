// SPDX-License-Identifier: GPL-2.0
/* HELLO and WELCOME: each side of a migration tells what its VM is like, and compares. */
#include <string.h>

#include "hello.h"

void hello_fill(const struct vm *vm, struct frame_hello *hello)
{
	*hello = (struct frame_hello){
		.version = FRAMES_VERSION,
		.kind = !!vm->cfg->guest,
		.mem = vm->cfg->mem,
		.smp = vm->cfg->smp,
		.sev = vm->cfg->sev,
		.encrypt = vm->cfg->encrypt,
		.set = !!vm->keeper,
	};
	memcpy(hello->magic, FRAMES_MAGIC, sizeof(hello->magic));
}

static const char *with(uint32_t value)
{
	return value ? "with" : "without";
}

int hello_matches(struct conn *c, const struct frame_hello *t, const struct frame_hello *m,
		  const char *they, const char *we)
{
	if (memcmp(t->magic, m->magic, sizeof(t->magic)))
		return conn_fail(c, "the peer does not speak hcvm's migration protocol");
	if (t->version != m->version)
		return conn_fail(c, "%s speaks version %u of the migration protocol, %s version %u",
				 they, t->version, we, m->version);
	if (t->kind != m->kind)
		return conn_fail(c, "%s was started with %s, %s with %s", they,
				 t->kind ? "--guest" : "--kernel", we,
				 m->kind ? "--guest" : "--kernel");
	if (t->mem != m->mem)
		return conn_fail(c, "%s has --mem %lluK, %s has --mem %lluK", they,
				 (unsigned long long)t->mem / 1024, we,
				 (unsigned long long)m->mem / 1024);
	if (t->smp != m->smp)
		return conn_fail(c, "%s has --smp %u, %s has --smp %u", they, t->smp, we, m->smp);
	if (!t->sev != !m->sev)
		return conn_fail(c, "%s is %s --sev-lookalike, %s %s", they, with(t->sev), we,
				 with(m->sev));
	if (!t->encrypt != !m->encrypt)
		return conn_fail(c, "%s is %s --encrypt, %s %s", they, with(t->encrypt), we,
				 with(m->encrypt));
	if (!t->set != !m->set)
		return conn_fail(c, "%s is %s a shared-page set (--policy), %s %s", they,
				 with(t->set), we, with(m->set));
	return 0;
}
