// SPDX-License-Identifier: GPL-2.0
/* What needs no kernel: is it a request, and what do the rules say? */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "../../libhcpolicy/pass.h"
#include "../../libhcpolicy/tests/random.h"
#include "../../selftests/tap.h"
#include "message.h"
#include "rules.h"

static char why[HCP_BROKER_TEXT_LEN];

static struct hcp_broker_request good(void)
{
	return (struct hcp_broker_request){
		.version = HCP_BROKER_VERSION, .vm_fd = 5, .policy = "quota", .name = "web1",
		.params = { "ceiling=4096", "rate=1" },
	};
}

static int check(const struct hcp_broker_request *request)
{
	strcpy(why, "nothing said");
	return message_check(request, sizeof(*request), why, sizeof(why));
}

TEST(a_request_as_the_header_describes_it_is_accepted)
{
	struct hcp_broker_request r = good();

	CHECK_EQ(check(&r), 0);
	r.flags = HCP_BROKER_TAKE_EXITS | HCP_BROKER_INCOMING;
	strcpy(r.label, "the guest of Alice");
	memset(r.name, 'n', sizeof(r.name) - 1);
	for (int i = 0; i < HCP_BROKER_PARAMS; i++)
		strcpy(r.params[i], "key=value with spaces = and more");
	CHECK_EQ(check(&r), 0);
}

TEST(every_other_length_is_refused)
{
	static char bytes[2 * sizeof(struct hcp_broker_request)];
	struct hcp_broker_request r = good();

	memcpy(bytes, &r, sizeof(r));
	for (size_t len = 0; len < sizeof(bytes); len++)
		CHECK_EQ(message_check((void *)bytes, len, why, sizeof(why)), len == sizeof(r) ? 0 : EPROTO);
}

TEST(another_version_is_refused_in_words_whatever_its_length)
{
	struct hcp_broker_request r = good();

	r.version = 7;
	CHECK_EQ(message_check(&r, sizeof(r.version), why, sizeof(why)), EPROTO);
	CHECK(strstr(why, "of version 7, and this broker knows version 1"));
}

static void break_flags(struct hcp_broker_request *r) { r->flags = 1 << 2; }
static void break_reserved(struct hcp_broker_request *r) { r->reserved = 1; }
static void no_policy(struct hcp_broker_request *r) { memset(r->policy, 0, sizeof(r->policy)); }
static void path_as_policy(struct hcp_broker_request *r) { strcpy(r->policy, "../x"); }
static void slash_in_policy(struct hcp_broker_request *r) { strcpy(r->policy, "a/b"); }
static void dot_in_policy(struct hcp_broker_request *r) { strcpy(r->policy, "quota.x"); }
static void option_as_policy(struct hcp_broker_request *r) { strcpy(r->policy, "-x"); }
static void endless_policy(struct hcp_broker_request *r) { memset(r->policy, 'x', sizeof(r->policy)); }
static void more_behind_policy(struct hcp_broker_request *r) { r->policy[60] = 'x'; }
static void endless_name(struct hcp_broker_request *r) { memset(r->name, 'x', sizeof(r->name)); }
static void escape_in_name(struct hcp_broker_request *r) { strcpy(r->name, "a\033[2J"); }
static void more_behind_name(struct hcp_broker_request *r) { r->name[63] = 1; }
static void newline_in_label(struct hcp_broker_request *r) { strcpy(r->label, "a\nb"); }
static void high_byte_in_label(struct hcp_broker_request *r) { strcpy(r->label, "a\302\233"); }
static void endless_param(struct hcp_broker_request *r) { memset(r->params[0], '=', HCP_BROKER_PARAM_LEN); }
static void param_without_value(struct hcp_broker_request *r) { strcpy(r->params[1], "rate"); }
static void param_without_key(struct hcp_broker_request *r) { strcpy(r->params[1], "=1"); }
static void gap_in_params(struct hcp_broker_request *r) { strcpy(r->params[3], "rate=1"); }
static void more_behind_params(struct hcp_broker_request *r) { r->params[15][127] = 1; }

TEST(whatever_else_differs_from_the_header_is_refused_and_named)
{
	static const struct {
		void (*change)(struct hcp_broker_request *r);
		const char *says;
	} bad[] = {
		{ break_flags, "flags" }, { break_reserved, "flags" }, { no_policy, "the policy" },
		{ path_as_policy, "the policy" }, { slash_in_policy, "the policy" }, { dot_in_policy, "the policy" },
		{ option_as_policy, "the policy" }, { endless_policy, "the policy" },
		{ more_behind_policy, "the policy" }, { endless_name, "the name" },
		{ escape_in_name, "the name" }, { more_behind_name, "the name" },
		{ newline_in_label, "the label" }, { high_byte_in_label, "the label" },
		{ endless_param, "parameter" }, { param_without_value, "parameter" },
		{ param_without_key, "parameter" }, { gap_in_params, "parameter" }, { more_behind_params, "parameter" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct hcp_broker_request r = good();

		bad[i].change(&r);
		CHECK_EQ(check(&r), EPROTO);
		if (!strstr(why, bad[i].says))
			tap_fail(__FILE__, __LINE__, "%zu: '%s' does not say '%s'", i, why, bad[i].says);
	}
}

/* Under the sanitizers this also shows that nothing beyond the request is read. */
TEST(random_bytes_are_refused_or_have_only_texts_that_end)
{
	uint64_t state = 1;
	int accepted = 0;

	for (int n = 0; n < 200000; n++) {
		struct hcp_broker_request *r = malloc(sizeof(*r));
		int changes = rnd(&state) % 4;

		*r = good();
		while (changes--)
			((unsigned char *)r)[rnd(&state) % sizeof(*r)] = rnd(&state);
		if (!check(r)) {
			accepted++;
			CHECK(strlen(r->policy) < HCP_NAME_LEN && strlen(r->name) < HCP_NAME_LEN &&
			      strlen(r->label) < HCP_NAME_LEN && !strchr(r->policy, '/'));
		}
		free(r);
	}
	tap_note("%d of 200000 were accepted", accepted);
	CHECK(accepted > 40000 && accepted < 199000);
}

static int open_files(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

TEST(of_a_message_with_too_much_no_descriptor_stays_open)
{
	int ends[2], fds[PASS_MAX] = {}, got[PASS_MAX], before;
	char bytes[8] = "", room[4];
	unsigned int n;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	before = open_files();
	for (int count = 2; count <= PASS_MAX; count++) {
		CHECK_EQ(pass_send(ends[0], bytes, 4, fds, count, 0), 0);
		CHECK_EQ(pass_receive(ends[1], room, sizeof(room), got, 1, &n), -EMSGSIZE);
		CHECK_EQ(n, 0);
	}
	CHECK_EQ(pass_send(ends[0], bytes, 5, fds, 1, 0), 0);
	CHECK_EQ(pass_receive(ends[1], room, sizeof(room), got, 1, &n), -EMSGSIZE);
	CHECK_EQ(open_files(), before);
	CHECK_EQ(pass_send(ends[0], bytes, 4, fds, 1, 0), 0);
	CHECK_EQ(pass_receive(ends[1], room, sizeof(room), got, 1, &n), 4);
	CHECK_EQ(n, 1);
	CHECK_EQ(open_files(), before + 1);
}

/* What is written into it stays until the test's end. */
static struct rules *read_and_ask(const char *text, bool (*good)(const struct rule *rule))
{
	int fd = memfd_create("broker.conf", 0);
	char path[32];

	CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return rules_read(path, good);
}

static struct rules *read_rules(const char *text)
{
	return read_and_ask(text, NULL);
}

static const struct peer alice = { .uid = 1000, .gid = 1000, .groups = (gid_t[]){ 7, 42 }, .ngroups = 2 };
static const struct peer root = {};

TEST(without_a_file_only_root_is_allowed)
{
	struct rules *rules = access(RULES, F_OK) ? rules_read(NULL, NULL) : NULL;
	bool fixed;

	if (!rules)
		tap_skip("this machine has " RULES);
	CHECK(rules_find(rules, &root, "quota") && rules_find(rules, &root, NULL));
	CHECK(rule_allows(rules_find(rules, &root, "quota"), "rate=1", &fixed));
	CHECK(!rules_find(rules, &alice, "quota") && !rules_find(rules, &alice, NULL));
	rules_free(rules);
}

TEST(a_file_that_is_named_has_to_be_there_and_to_be_read_to_its_end)
{
	CHECK(!rules_read("/nowhere/broker.conf", NULL));
	CHECK(!rules_read("/", NULL));
}

TEST(what_no_line_allows_is_refused_and_the_first_that_fits_counts)
{
	struct rules *rules = read_rules("# who may\n\nuser:1000 bitmap 1G 2\ngroup:42 quota 2G 3 # as a member\n"
					 "user:root * 1T 1\nuser:1000 quota 4G 5\n");
	const struct rule *rule;

	CHECK(rules);
	rule = rules_find(rules, &alice, "bitmap");
	CHECK(rule && rule->line == 3 && rule->max_gpa == 1 << 30 && rule->vms == 2);
	rule = rules_find(rules, &alice, "quota");
	CHECK(rule && rule->line == 4 && rule->vms == 3);
	CHECK(!rules_find(rules, &alice, "freeze"));
	CHECK(rules_find(rules, &root, "freeze") && !rules_find(rules, &(struct peer){ .uid = 2, .gid = 2 }, NULL));
	rules_free(rules);
}

TEST(a_rule_says_which_parameters_are_the_clients)
{
	struct rules *rules = read_rules("user:1000 quota 1G 1 rate ceiling=4096\nuser:0 quota 1G 1 * rate=2\n"
					 "user:1000 bitmap 1G 1\n");
	const struct rule *mine, *any;
	bool fixed;

	CHECK(rules);
	mine = rules_find(rules, &alice, "quota");
	CHECK(rule_allows(mine, "rate=5", &fixed) && !fixed);
	CHECK(!rule_allows(mine, "ceiling=5", &fixed) && fixed);
	CHECK(!rule_allows(mine, "rat=5", &fixed) && !fixed);
	CHECK(!rule_allows(mine, "rates=5", &fixed) && !fixed);
	any = rules_find(rules, &root, "quota");
	CHECK(rule_allows(any, "ceiling=5", &fixed) && !rule_allows(any, "rate=5", &fixed) && fixed);
	CHECK(!rule_allows(rules_find(rules, &alice, "bitmap"), "rate=1", &fixed));
	rules_free(rules);
}

TEST(a_bad_line_refuses_the_file_and_is_named)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "user:0 * 1G 1\nalice quota 1G 1\n", ":2: 'alice' is no user or group" },
		{ "user:nobody-of-that-name quota 1G 1\n", "'user:nobody-of-that-name' is no user" },
		{ "group: quota 1G 1\n", "'group:' is no user or group" },
		{ "users:0 quota 1G 1\n", "'users:0' is no user" },
		{ "user:-1 quota 1G 1\n", "'user:-1' is no user" },
		{ "user:0\n", ":1: the rule ends too early and has no policy: wanted its name" },
		{ "user:0 ../quota 1G 1\n", "'../quota' is no policy" },
		{ "user:0 - 1G 1\n", "'-' is no policy" },
		{ "user:0 quota\n", "has no size of a set: wanted the highest guest address" },
		{ "user:0 quota 0 1\n", "'0' is no size" },
		{ "user:0 quota 1X 1\n", "'1X' is no size" },
		{ "user:0 quota 64 1\n", "'64' is no size of a set: wanted the highest guest address with its unit, from 1M on, "
					 "such as 64G" },
		{ "user:0 quota 1023K 1\n", "'1023K' is no size" },
		{ "user:0 quota 1G\n", "has no number of VMs: wanted" },
		{ "user:0 quota 1G 0\n", "'0' is no number of VMs" },
		{ "user:0 quota 1G 1 =5\n", "'=5' is no parameter" },
	};
	char said[512];
	int saved = dup(STDERR_FILENO), fd = memfd_create("stderr", 0);

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		ssize_t n;

		CHECK_EQ(ftruncate(fd, 0), 0);
		dup2(fd, STDERR_FILENO);
		lseek(fd, 0, SEEK_SET);
		CHECK(!read_rules(bad[i].text));
		dup2(saved, STDERR_FILENO);
		n = pread(fd, said, sizeof(said) - 1, 0);
		said[n > 0 ? n : 0] = 0;
		if (!strstr(said, bad[i].says))
			tap_fail(__FILE__, __LINE__, "'%s' does not say '%s'", said, bad[i].says);
	}
}

static unsigned int asked;

static bool is_quota(const struct rule *rule)
{
	asked++;
	return !strcmp(rule->policy, "quota");
}

TEST(whoever_knows_policies_is_asked_about_each_rule_whose_words_are_right)
{
	struct rules *rules = read_and_ask("user:0 quota 1G 1\nuser:0 quota 2G 1\n", is_quota);

	CHECK(rules && rules->n == 2);
	CHECK_EQ(asked, 2);
	rules_free(rules);
	CHECK(!read_and_ask("user:0 quota 1G 1\nuser:0 bitmap 1G 1\n", is_quota));
	CHECK(!read_and_ask("user:0 bitmap\nuser:0 quota 1G 1\n", is_quota));
	CHECK_EQ(asked, 5);
}

TAP_MAIN
