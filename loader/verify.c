// SPDX-License-Identifier: GPL-2.0
/*
 * verify: loads a policy, to see whether this kernel takes it.  It attaches it to nothing but, for
 * --cost, a throw-away VM.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "cost.h"
#include "loader.h"
#include "out.h"
#include "trial.h"

static void print_maps(struct hcpolicy *policy)
{
	const char *map;

	printf("maps       ");
	for (unsigned int n = 0; (map = hcpolicy__map_name(policy, n)); n++)
		printf("%s%s", n ? ", " : "", map);
	putchar('\n');
}

/* cost: NULL: it was not measured. */
static void verified(struct hcpolicy *policy, const char *file, const struct cost *cost)
{
	struct hcpolicy_program program = { .sz = sizeof(program) };
	struct json_object *obj, *maps;
	const char *map;

	hcpolicy__program(policy, &program);
	if (!out_json) {
		printf("%s: this kernel takes it\n", file);
		if (*hcpolicy__about(policy))
			printf("about      %s\n", hcpolicy__about(policy));
		printf("verifier   looked at %u instructions\n", program.verified);
		printf("program    %u instructions, %u bytes of native code\n", program.instructions,
		       program.native_bytes);
		print_maps(policy);
		print_params(policy);
		if (cost)
			cost_print(cost);
		return;
	}
	obj = json_object_new_object();
	maps = json_object_new_array();
	put_str(obj, "file", file);
	put_str(obj, "about", hcpolicy__about(policy));
	put_u64(obj, "verified_instructions", program.verified);
	put_u64(obj, "instructions", program.instructions);
	put_u64(obj, "native_bytes", program.native_bytes);
	for (unsigned int n = 0; (map = hcpolicy__map_name(policy, n)); n++)
		json_object_array_add(maps, json_object_new_string(map));
	json_object_object_add(obj, "maps", maps);
	put_params(obj, policy);
	if (cost)
		cost_put(obj, cost);
	out_value(obj);
}

int cmd_verify(const struct args *args)
{
	const char *file = args->words[0];
	struct hcpolicy *policy;
	int status = EXIT_FAIL;
	struct cost cost;

	if (args->cost && !trial_possible())
		return EXIT_FAIL;
	policy = open_policy(file, args);
	if (!policy)
		return EXIT_FAIL;
	/* Without requests the size of the set does not matter, so take the smallest. */
	if ((args->cost || !hcpolicy__set_max_gpa(policy, 1)) && !hcpolicy__load(policy)) {
		if (!args->cost || cost_measure(&cost, policy, file)) {
			verified(policy, file, args->cost ? &cost : NULL);
			status = EXIT_OK;
		}
	} else {
		lib_failed(file, "load");
	}
	hcpolicy__close(policy);
	return status;
}
