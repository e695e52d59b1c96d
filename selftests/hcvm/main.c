// SPDX-License-Identifier: GPL-2.0
/*
 * hcvm-test: hcvm with more for tests.  Its options come before or between hcvm's:
 *
 *	--wrong ORDER	take a step of the migration in a wrong order (wrong.c)
 *	--drive		hcguest.elf waits for commands of the control socket (driver.c)
 *
 * Its command migrate knows stops= (points.h), and go ends the wait there.
 */
#include <string.h>

#include "../../vmm/hcvm.h"
#include "driver.h"
#include "points.h"
#include "wrong.h"

static void (*wrong_exit)(struct vcpu *vcpu);
static bool drive;

static void on_exit_of(struct vcpu *vcpu)
{
	driver_begin_exit(vcpu);
	wrong_exit(vcpu);
}

static bool command(struct vm *vm, int argc, char **argv, FILE *out)
{
	if (strcmp(argv[0], "go"))
		return drive && driver_command(vm, argc, argv, out);
	points_go();
	fprintf(out, "ok\n");
	return true;
}

int main(int argc, char **argv)
{
	struct hcvm_ops ops = hcvm_ops;
	int i, n = 1;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--drive"))
			drive = true;
		else if (strcmp(argv[i], "--wrong"))
			argv[n++] = argv[i];
		else if (!argv[++i] || !wrong_choose(argv[i]))
			return fail("--wrong %s: no such order", argv[i] ?: ""), 2;
	}
	argv[n] = NULL;
	wrong_ops(&ops);
	wrong_exit = ops.exit;
	ops.exit = on_exit_of;
	ops.command = command;
	ops.option = points_option;
	if (drive)
		ops.add_devs = driver_init;
	return hcvm(n, argv, &ops);
}
