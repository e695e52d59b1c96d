// SPDX-License-Identifier: GPL-2.0
/* The description of a machine, which both sides of a migration compare. */
#include <errno.h>
#include <string.h>

#include "machine.h"

void machine_hello(const struct vm *vm, struct frame_hello *hello)
{
	*hello = (struct frame_hello){
		.version = STREAM_VERSION,
		.kind = !!vm->cfg->guest,
		.mem = vm->cfg->mem,
		.smp = vm->cfg->smp,
		.sev = vm->cfg->sev,
		.encrypt = vm->cfg->encrypt,
		.book = !!vm->book,
	};
	memcpy(hello->magic, STREAM_MAGIC, sizeof(hello->magic));
}

static const char *yes(uint32_t value)
{
	return value ? "with" : "without";
}

int machine_matches(struct stream *s, const struct frame_hello *t, const struct frame_hello *m,
		    const char *they, const char *we)
{
	if (memcmp(t->magic, m->magic, sizeof(t->magic)))
		return stream_fail(s, "the peer does not speak hcvm's migration protocol");
	if (t->version != m->version)
		return stream_fail(s, "%s speaks version %u of the migration protocol, %s version %u",
				   they, t->version, we, m->version);
	if (t->kind != m->kind)
		return stream_fail(s, "%s was started with %s, %s with %s", they,
				   t->kind ? "--guest" : "--kernel", we,
				   m->kind ? "--guest" : "--kernel");
	if (t->mem != m->mem)
		return stream_fail(s, "%s has --mem %lluK, %s has --mem %lluK", they,
				   (unsigned long long)t->mem / 1024, we,
				   (unsigned long long)m->mem / 1024);
	if (t->smp != m->smp)
		return stream_fail(s, "%s has --smp %u, %s has --smp %u", they, t->smp, we, m->smp);
	if (!t->sev != !m->sev)
		return stream_fail(s, "%s is %s --sev-lookalike, %s %s", they, yes(t->sev), we,
				   yes(m->sev));
	if (!t->encrypt != !m->encrypt)
		return stream_fail(s, "%s is %s --encrypt, %s %s", they, yes(t->encrypt), we,
				   yes(m->encrypt));
	if (!t->book != !m->book)
		return stream_fail(s, "%s is %s a shared-page set (--policy), %s %s", they,
				   yes(t->book), we, yes(m->book));
	return 0;
}

int machine_write(void *file, const void *buf, size_t len)
{
	return fwrite(buf, 1, len, file) == len ? 0 : -ENOMEM;
}
