// SPDX-License-Identifier: GPL-2.0
/* Commands by mailbox (mailbox.h).  ops.c carries out the operations of a batch. */
#include "../mailbox.h"
#include "../random.h"
#include "arch.h"
#include "commands.h"
#include "ops.h"
#include "pages.h"
#include "work.h"

static void run_batch(unsigned int index, struct hcg_mailbox *mb)
{
	struct hcg_request *r = (void *)mb->requests;
	uint64_t i, count = mb->count;

	for (i = 0; i < count; i++) {
		op_do(index, &r[i]);
		if (op_failed(&r[i]) && !mb->failed++) {
			mb->first = i;
			mb->first_ret = r[i].ret;
		}
	}
	mb->iterations++;
}

static void bad_request(struct hcg_mailbox *mb)
{
	mb->failed = 1;
	mb->first_ret = HCG_RET_BAD_REQUEST;
}

static void run_work(unsigned int index, struct hcg_mailbox *mb)
{
	uint64_t random = mb->work.seed;

	if (!work_begin(index, &mb->work))
		return bad_request(mb);
	while (!mb->stop && !(mb->count && mb->iterations == mb->count)) {
		work_step(index, &mb->work, &random);
		mb->iterations++;
	}
	mb->failed = mb->work.bad;
}

static void run_check(unsigned int index, struct hcg_mailbox *mb)
{
	if (!work_check(index, &mb->work))
		return bad_request(mb);
	mb->failed = mb->work.bad;
}

static void run_command(unsigned int index, struct hcg_mailbox *mb)
{
	mb->iterations = 0;
	mb->failed = 0;
	mb->first = 0;
	mb->first_ret = 0;
	work_clear(&mb->work);
	switch (mb->command) {
	case HCG_CMD_RUN:
		run_batch(index, mb);
		break;
	case HCG_CMD_LOOP:
		while (!mb->stop)
			run_batch(index, mb);
		break;
	case HCG_CMD_HALT:
		cpu_halt();
		break;
	case HCG_CMD_EXIT:
		cpu_exit(mb->count);
	case HCG_CMD_WORK:
		run_work(index, mb);
		break;
	case HCG_CMD_CHECK:
		run_check(index, mb);
		break;
	default:	/* not a command: the VMM and this guest do not match */
		__builtin_trap();
	}
}

_Noreturn void commands_run(unsigned int index)
{
	struct hcg_mailbox *mb = (void *)HCG_MAILBOX_GPA(index);
	int64_t ret = 0;

	if (key_use())
		ret = -op_share_own(index);
	if (ret < 0 || ret > 0xffffff)
		ret = 0xffffff;
	doorbell_ring(HCG_EV_READY | (uint32_t)ret << 8);
	for (;;) {
		run_command(index, mb);
		doorbell_ring(HCG_EV_DONE);
	}
}
