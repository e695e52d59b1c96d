// SPDX-License-Identifier: GPL-2.0
/* The language of scripts and traces: what each line means, and what is refused, where and why. */
#include <stdlib.h>
#include <string.h>
#include "out.h"
#include "script.h"
#include "../../selftests/tap.h"

/* The first step of a text; what was reported, or "". */
static int first_step(const char *text, size_t size, struct script *s, struct script_step *step,
		      char said[512])
{
	struct json_object *text_said;
	int ret;

	*s = (struct script) { .name = "f", .file = fmemopen((void *)text, size, "r") };
	CHECK(s->file);
	ret = script_next(s, step);
	fclose(s->file);
	text_said = err_seen() ? err_take() : NULL;
	snprintf(said, 512, "%s", text_said ? json_object_get_string(text_said) : "");
	json_object_put(text_said);
	return ret;
}

static void check_refused(const char *text, const char *says)
{
	struct script_step step;
	struct script s;
	char said[512];

	if (first_step(text, strlen(text), &s, &step, said) != -1)
		tap_fail(__FILE__, __LINE__, "\"%s\" is accepted", text);
	if (strcmp(said, says))
		tap_fail(__FILE__, __LINE__, "\"%s\": \"%s\", not \"%s\"", text, said, says);
}

TEST(a_bad_line_is_refused_where_it_is_and_says_what_is_expected)
{
	check_refused("shar 0 1", "f:1: expected share, private, tune or expect, not 'shar'");
	check_refused("\n# no step\n\n share", "f:4: expected GPA, a multiple of 4096 below 2^52, "
		      "not the end of the line");
	check_refused("share 1 1", "f:1: expected GPA, a multiple of 4096 below 2^52, not '1'");
	check_refused("share -4096 1", "f:1: expected GPA, a multiple of 4096 below 2^52, not '-4096'");
	check_refused("share 0x0x1000 1", "f:1: expected GPA, a multiple of 4096 below 2^52, not '0x0x1000'");
	check_refused("share 0x10000000000000 1", "f:1: expected GPA, a multiple of 4096 below 2^52, "
		      "not '0x10000000000000'");
	check_refused("share 99999999999999999999 1", "f:1: expected GPA, a multiple of 4096 below 2^52, "
		      "not '99999999999999999999'");
	check_refused("private 0x1000", "f:1: expected NPAGES, at least 1 and not beyond 2^52, "
		      "not the end of the line");
	check_refused("private 0x1000 0", "f:1: expected NPAGES, at least 1 and not beyond 2^52, not '0'");
	check_refused("private 0x1000 0x10000000000", "f:1: expected NPAGES, at least 1 and not beyond 2^52, "
		      "not '0x10000000000'");
	check_refused("share 0 1x", "f:1: expected NPAGES, at least 1 and not beyond 2^52, not '1x'");
	check_refused("share 0 1 vcpu=16384", "f:1: expected vcpu=0 to vcpu=16383, not 'vcpu=16384'");
	check_refused("share 0 1 vcpu=", "f:1: expected vcpu=0 to vcpu=16383, not 'vcpu='");
	check_refused("share 0 1 2", "f:1: expected vcpu=N, or a word of a trace, such as verdict=W, not '2'");
	check_refused("tune", "f:1: expected KEY=VALUE, not the end of the line");
	check_refused("tune a", "f:1: expected KEY=VALUE, not 'a'");
	check_refused("tune =1", "f:1: expected KEY=VALUE, not '=1'");
	check_refused("tune a=", "f:1: expected KEY=VALUE, not 'a='");
	check_refused("tune a=1 b=2", "f:1: expected the end of the line, not 'b=2'");
	check_refused("expect", "f:1: expected handled, exit, retry, EPERM (or EFAULT, EINVAL, E2BIG, ENOSYS, "
		      "EOPNOTSUPP), shared, private, complete, incomplete or counter, not the end of the line");
	check_refused("expect EBUSY", "f:1: expected handled, exit, retry, EPERM (or EFAULT, EINVAL, E2BIG, ENOSYS, "
		      "EOPNOTSUPP), shared, private, complete, incomplete or counter, not 'EBUSY'");
	check_refused("expect exit now", "f:1: expected the end of the line, not 'now'");
	check_refused("expect shared 0", "f:1: expected NPAGES, at least 1 and not beyond 2^52, "
		      "not the end of the line");
	check_refused("expect private 0 1 vcpu=0", "f:1: expected the end of the line, not 'vcpu=0'");
	check_refused("expect complete 1", "f:1: expected the end of the line, not '1'");
	check_refused("expect counter", "f:1: expected the name of a counter, not the end of the line");
	check_refused("expect counter a", "f:1: expected the counter's value, a number, not the end of the line");
	check_refused("expect counter a 1.5", "f:1: expected the counter's value, a number, not '1.5'");
	check_refused("expect counter a 1 2", "f:1: expected the end of the line, not '2'");
}

TEST(a_line_that_is_too_long_or_no_text_is_refused)
{
	char text[600], said[512];
	struct script_step step;
	struct script s;

	memset(text, ' ', sizeof(text));
	memcpy(text, "share 0 1", 9);
	text[511] = '\n';
	CHECK_EQ(first_step(text, sizeof(text), &s, &step, said), 1);
	text[511] = ' ';
	CHECK_EQ(first_step(text, sizeof(text), &s, &step, said), -1);
	CHECK(!strcmp(said, "f:1: expected text, and less than 512 characters a line"));
	memcpy(text, "share 0 1\0 2\n", 13);
	CHECK_EQ(first_step(text, sizeof(text), &s, &step, said), -1);
	CHECK(!strcmp(said, "f:1: expected text, and less than 512 characters a line"));
}

static struct script_step parsed(const char *text)
{
	static struct script s;		/* has the strings */
	struct script_step step;
	char said[512];

	if (first_step(text, strlen(text), &s, &step, said) != 1)
		tap_fail(__FILE__, __LINE__, "\"%s\" is refused: %s", text, said);
	return step;
}

TEST(a_request_has_its_range_and_its_vcpu)
{
	struct script_step step = parsed("share 0x7fe00000 16");

	CHECK_EQ(step.what, SCRIPT_REQUEST);
	CHECK(step.shared && !step.vcpu);
	CHECK_EQ(step.gpa, 0x7fe00000);
	CHECK_EQ(step.npages, 16);
	step = parsed("\tprivate 4096  0x10 vcpu=7\t# hides");
	CHECK_EQ(step.what, SCRIPT_REQUEST);
	CHECK(!step.shared);
	CHECK_EQ(step.gpa, 4096);
	CHECK_EQ(step.npages, 16);
	CHECK_EQ(step.vcpu, 7);
}

TEST(of_a_trace_only_the_vcpu_counts)
{
	struct script_step step = parsed("share 0xffffffffff000 1 vcpu=3 door=hypercall status=1 "
					 "verdict=refused time=12.345678");

	CHECK_EQ(step.what, SCRIPT_REQUEST);
	CHECK(step.shared && !step.verdict);
	CHECK_EQ(step.gpa, 0xffffffffff000);
	CHECK_EQ(step.vcpu, 3);
}

TEST(settings_and_expectations_are_what_they_say)
{
	struct script_step step = parsed("tune ceiling=0x20\r\n");

	CHECK_EQ(step.what, SCRIPT_TUNE);
	CHECK(!strcmp(step.key, "ceiling") && !strcmp(step.value, "0x20"));
	step = parsed("expect retry");
	CHECK_EQ(step.what, SCRIPT_EXPECT_VERDICT);
	CHECK(!strcmp(step.verdict, SCRIPT_RETRY));
	step = parsed("expect EPERM");
	CHECK_EQ(step.what, SCRIPT_EXPECT_VERDICT);
	CHECK(!strcmp(step.verdict, "EPERM") && step.verdict == script_errno(-1));
	CHECK(parsed("expect ENOSYS").verdict == script_errno(-1000));
	step = parsed("expect private 0x1000 2");
	CHECK_EQ(step.what, SCRIPT_EXPECT_PAGES);
	CHECK(!step.shared && step.gpa == 0x1000 && step.npages == 2);
	CHECK(parsed("expect shared 0x1000 2").shared);
	step = parsed("expect complete");
	CHECK(step.what == SCRIPT_EXPECT_COMPLETE && step.complete);
	step = parsed("expect incomplete");
	CHECK(step.what == SCRIPT_EXPECT_COMPLETE && !step.complete);
	step = parsed("expect counter refused 010");
	CHECK_EQ(step.what, SCRIPT_EXPECT_COUNTER);
	CHECK(!strcmp(step.key, "refused"));
	CHECK_EQ(step.number, 10);
}

TEST(nothing_but_comments_is_the_end)
{
	struct script_step step;
	struct script s;
	char said[512];

	CHECK_EQ(first_step("# a\n \n#", 6, &s, &step, said), 0);
	CHECK(!*said);
}

/* Is everything that the step has in its bounds? */
static bool sane(const struct script_step *step)
{
	switch (step->what) {
	case SCRIPT_REQUEST:
	case SCRIPT_EXPECT_PAGES:
		return step->npages && !(step->gpa & 4095) && step->vcpu < 4096 &&
		       step->gpa < 1ULL << 52 && step->npages <= ((1ULL << 52) - step->gpa) >> 12;
	case SCRIPT_TUNE:
		return *step->key && *step->value;
	case SCRIPT_EXPECT_VERDICT:
		return step->verdict;
	case SCRIPT_EXPECT_COUNTER:
		return *step->key;
	default:
		return step->what == SCRIPT_EXPECT_COMPLETE;
	}
}

/* Lines of words that have a meaning, with a wrong byte here and there. */
TEST(whatever_a_file_has_is_a_step_in_its_bounds_or_is_refused)
{
	static const char *const words[] = {
		"share", "private", "tune", "expect", "shared", "counter", "complete", "EPERM", "retry", "0x1000",
		"0xfffffffffffff000", "0", "4096", "1", "vcpu=1", "time=1.5", "a=1", "=", "#", "\n", "\t", "\r",
	};
	unsigned int accepted = 0, refused = 0;
	struct script_step step;
	struct script s;
	char text[256], said[512];
	size_t size;
	int ret;

	srandom(tap_seed());
	for (int round = 0; round < 200000; round++) {
		size = sprintf(text, "%s ", words[random() % 4]);
		for (int n = 1 + random() % 6; n; n--)
			size += sprintf(text + size, "%s ", words[random() % (sizeof(words) / sizeof(*words))]);
		if (random() % 4 == 0)
			text[random() % size] = random();
		ret = first_step(text, size, &s, &step, said);
		if (ret > 0 && !sane(&step))
			tap_fail(__FILE__, __LINE__, "\"%s\": the step is out of bounds", text);
		if (ret < 0 ? !*said : *said)
			tap_fail(__FILE__, __LINE__, "\"%s\": %d, and said \"%s\"", text, ret, said);
		accepted += ret > 0;
		refused += ret < 0;
	}
	CHECK_CMP(accepted, >, 1000);
	CHECK_CMP(refused, >, 1000);
}

int main(int argc, char **argv)
{
	out_json = true;	/* so that errors can be taken */
	return tap_main(argc, argv);
}
