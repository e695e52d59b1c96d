#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# integrating.sh CC DOC LIBRARY FLAGS...: the first C block of docs/integrating.md compiles without
# a warning and links with nothing but LIBRARY, so that what people copy works.
set -u

cc=$1 doc=$2 lib=$3
shift 3
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

awk '/^```c$/ { on = 1; next } /^```$/ { if (on) exit } on' "$doc" > "$dir/doc.c"
cat > "$dir/main.c" <<'END'
#include <stdbool.h>
#include <stdint.h>
int get_and_clear_dirty_log(unsigned int slot, uint64_t *words) { return slot || !words; }
int send_page(uint64_t gfn, bool shared) { return gfn && shared; }
bool bandwidth_left(void) { return true; }
int main(void) { return 0; }
END

echo "TAP version 13"
echo 1..1
if [ -s "$dir/doc.c" ] && [ "$(wc -l < "$dir/doc.c")" -le 45 ] &&
   "$cc" "$@" -Wall -Wextra -Werror -o "$dir/a" "$dir/doc.c" "$dir/main.c" "$lib" -lz; then
	echo "ok 1 the code of docs/integrating.md compiles and links"
	echo "1 passed, 0 failed, 0 skipped"
else
	echo "not ok 1 the code of docs/integrating.md compiles and links"
	echo "0 passed, 1 failed, 0 skipped"
	exit 1
fi
