#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# integrating.sh CC DOC LIBRARY FLAGS...: the first C block of docs/integrating.md compiles without
# a warning, links with nothing but LIBRARY, and migrates, so that what people copy works.
set -u

cc=$1 doc=$2 lib=$3
shift 3
# shellcheck source=selftests/tap.sh
. "${BASH_SOURCE[0]%/*}/../../selftests/tap.sh"

awk '/^```c$/ { on = 1; next } /^```$/ { if (on) exit } on' "$doc" > "$work/doc.c"
cat > "$work/main.c" <<'END'
#include <stdio.h>
#include <string.h>
#include "doc.c"

#define PAGES	100

static struct hcp_set *set;
static int budget, sent, dirty;
static bool guest_runs;

int get_and_clear_dirty_log(unsigned int slot, uint64_t *words)
{
	memset(words, dirty, (slot ? 2 : 1) * sizeof(*words));
	return 0;
}

int send_page(uint64_t gfn, bool shared)
{
	sent++;
	if (guest_runs)
		hcp_set__update(set, gfn, 1, !shared);
	return 0;
}

bool bandwidth_left(void) { return budget-- > 0; }

#define EXPECT(cond)	do { if (!(cond)) bad = !!printf("# not true: %s\n", #cond); } while (0)

int main(void)
{
	uint64_t words[2][2];
	const struct slot slots[] = { { 0, 0, 30, words[0] }, { 1, 30, PAGES - 30, words[1] } };
	struct hcp_tracker *tracker;
	int bad = 0;

	set = hcp_set__new(PAGES);
	tracker = hcp_tracker__new(set, NULL);
	for (int i = 0; i < 2; i++)
		hcp_tracker__add_slot(tracker, i, slots[i].gfn, slots[i].npages);

	budget = 10;
	EXPECT(!migrate_round(tracker, slots, 2, false) && sent == 10);
	EXPECT(!migrate_round(tracker, slots, 2, true) && sent == PAGES);
	EXPECT(!hcp_tracker__pending(tracker));
	/* With the guest still running it was not the last one. */
	dirty = 0xff;
	guest_runs = true;
	EXPECT(migrate_round(tracker, slots, 2, true));
	/* Nor may a set that has missed something end a migration. */
	guest_runs = false;
	EXPECT(!migrate_round(tracker, slots, 2, true));
	hcp_set__lost(set, 5, 1);
	EXPECT(migrate_round(tracker, slots, 2, true));
	hcp_tracker__free(tracker);
	hcp_set__free(set);
	return bad;
}
END

short() { [ -s "$work/doc.c" ] && [ "$(wc -l < "$work/doc.c")" -le 45 ]; }

plan 3
check "the code of docs/integrating.md is there, and short" short
check "it compiles and links" "$cc" "$@" -Wall -Wextra -Werror -o "$work/a" "$work/main.c" \
	"$lib" -lz
check "its last round leaves nothing, or says so" "$work/a"
finish
