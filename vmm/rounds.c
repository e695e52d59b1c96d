// SPDX-License-Identifier: GPL-2.0
/*
 * Rounds of a migration.  The dirty logs of every slot and its alias, and what hcvm wrote
 * itself, go to libhcpolicy's tracker, which says what to send.  For each page, hcvm first takes it
 * from the tracker, which returns its status, and then reads its contents.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "../guest/mailbox.h"
#include "../guest/crypt.h"
#include "keeper.h"
#include "rounds.h"

/* With a bandwidth limit a round ends after so long.  The next round sends what is left. */
#define SLICE_NS	500000000ULL
/* How long to sleep at a time while more was sent than the bandwidth limit allows. */
#define NAP_NS		5000000ULL

static size_t nwords(const struct memslot *slot)
{
	return (slot->size / PAGE_SIZE + 63) / 64;
}

/* The tracker's reason when it refuses. */
static void on_log(void *m, const char *line)
{
	conn_fail(&((struct migration *)m)->conn, "%s", line);
}

static int open_tracker(struct migration *m)
{
	struct hcp_tracker_opts opts = {
		.sz = sizeof(opts), .kept = keeper_keeps, .ctx = m->vm, .log = on_log, .log_ctx = m,
	};
	const struct memslot *slot;
	int err = 0;

	m->set = keeper_set(m->vm);
	if (!m->set)
		m->set = m->own_set = hcp_set__new(vm_max_gpa(m->vm) / PAGE_SIZE);
	if (m->set)
		m->tracker = hcp_tracker__new(m->set, &opts);
	if (!m->tracker)
		return conn_fail(&m->conn, "no tracker: %s", strerror(errno));
	/* Nothing was sent yet, so the aliases can be added before KVM logs them. */
	for (slot = m->vm->slots; slot < m->vm->slots + m->vm->nslots && !err; slot++) {
		err = hcp_tracker__add_slot(m->tracker, slot->number, slot->gpa / PAGE_SIZE,
					    slot->size / PAGE_SIZE);
		if (!err && slot->alias >= 0)
			err = hcp_tracker__add_alias(m->tracker, slot->alias, slot->number);
	}
	return err ? -1 : 0;
}

int rounds_open(struct migration *m)
{
	unsigned int i;

	if (open_tracker(m))
		return -1;
	for (i = 0; i < m->vm->nslots; i++) {
		m->words[i] = calloc(nwords(&m->vm->slots[i]), sizeof(uint64_t));
		if (!m->words[i])
			return conn_fail(&m->conn, "out of memory");
	}
	return vm_log_dirty(m->vm, true) ? conn_fail(&m->conn, "dirty pages cannot be logged") : 0;
}

void rounds_close(struct migration *m)
{
	unsigned int i;

	vm_log_dirty(m->vm, false);
	hcp_tracker__free(m->tracker);
	if (m->own_set)
		hcp_set__free(m->own_set);
	for (i = 0; i < m->vm->nslots; i++)
		free(m->words[i]);
}

static int get_log(struct migration *m, int number, uint64_t *words)
{
	struct kvm_dirty_log log = { .slot = number, .dirty_bitmap = words };

	if (ioctl(m->vm->fd, KVM_GET_DIRTY_LOG, &log))
		return conn_fail(&m->conn, "KVM_GET_DIRTY_LOG of slot %d: %s", number,
				 strerror(errno));
	return 0;
}

static int64_t decide(struct migration *m, int number, uint64_t *words)
{
	int64_t n = m->ops->round(m->tracker, number, words);

	return n < 0 ? conn_fail(&m->conn, "slot %d: %s", number, strerror(-n)) : n;
}

/* The alias first: the tracker adds what is dirty there to the slot. */
static int64_t scan_slot(struct migration *m, unsigned int i)
{
	struct memslot *slot = &m->vm->slots[i];
	uint64_t *words = m->words[i];
	size_t w;

	if (slot->alias >= 0 &&
	    (get_log(m, slot->alias, words) || decide(m, slot->alias, words) < 0))
		return -1;
	if (get_log(m, slot->number, words))
		return -1;
	for (w = 0; w < nwords(slot); w++)
		words[w] |= __atomic_exchange_n(&slot->wrote[w], 0, __ATOMIC_SEQ_CST);
	return decide(m, slot->number, words);
}

int64_t round_scan(struct migration *m)
{
	uint64_t start = thread_ns();
	int64_t n, sum = 0;
	unsigned int i;

	m->round++;
	for (i = 0; i < m->vm->nslots; i++) {
		n = scan_slot(m, i);
		if (n < 0)
			return -1;
		sum += n;
	}
	m->scan_ns += thread_ns() - start;
	return sum;
}

static bool is_zero(const uint64_t *page)
{
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / 8; i++)
		if (page[i])
			return false;
	return true;
}

static int send_page(struct migration *m, const struct memslot *slot, uint64_t page)
{
	uint64_t gpa = slot->gpa + page * PAGE_SIZE, word, copy[PAGE_SIZE / 8];
	int shared = m->ops->take(m->tracker, gpa / PAGE_SIZE);
	bool zero;

	if (shared < 0)
		return conn_fail(&m->conn, "page 0x%llx: %s", (unsigned long long)gpa,
				 strerror(-shared));
	/* The key is not sent.  It stands for the security processor's, and each VM has its own. */
	if (m->vm->key && gpa == HCG_KEY_GPA)
		return 0;
	/* Make a copy, as the guest may write after the look for zeroes and before the send. */
	memcpy(copy, slot->hva + page * PAGE_SIZE, PAGE_SIZE);
	if (m->vm->key && !shared)
		hcg_rekey(copy, gpa, m->vm->key, 0);
	zero = is_zero(copy);
	word = gpa | (shared ? PAGE_SHARED : 0) | (zero ? PAGE_ZERO : 0);
	m->pages++;
	m->zero_pages += zero;
	return conn_put(&m->conn, FRAME_PAGE, &word, sizeof(word), copy, zero ? 0 : PAGE_SIZE);
}

/* Sleeps until the bandwidth allows another page; false: the round is over. */
static bool may_send(const struct migration *m, uint64_t start, uint64_t bytes)
{
	uint64_t due = start + bytes * 1000000000 / m->opts.bandwidth, now;

	while ((now = now_ns()) < due) {
		if (now - start > SLICE_NS)
			return false;
		nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
	}
	return now - start <= SLICE_NS;
}

static uint64_t words_of_all(const struct migration *m)
{
	uint64_t n = 0;
	unsigned int i;

	for (i = 0; i < m->vm->nslots; i++)
		n += nwords(&m->vm->slots[i]);
	return n;
}

/* After the last word of the last slot comes the first word of the first slot. */
static void next_word(const struct migration *m, unsigned int *slot, size_t *word)
{
	if (++*word < nwords(&m->vm->slots[*slot]))
		return;
	*word = 0;
	*slot = (*slot + 1) % m->vm->nslots;
}

int64_t round_send(struct migration *m, bool last)
{
	uint64_t start = now_ns(), bytes = m->conn.sent + m->conn.out_len, n, bits, page;
	bool limited = m->opts.bandwidth && !last, full = false;
	unsigned int i = m->at_slot;
	size_t w = m->at_word;
	int64_t left = 0;

	for (n = words_of_all(m); n; n--, next_word(m, &i, &w)) {
		for (bits = m->words[i][w]; bits; bits &= bits - 1) {
			if (limited && !full &&
			    !may_send(m, start, m->conn.sent + m->conn.out_len - bytes)) {
				full = true;
				m->at_slot = i;
				m->at_word = w;
			}
			/*
			 * The tracker counts a page as sent when it is taken.  This one is not taken,
			 * so the next round has it.
			 */
			if (full) {
				left++;
				continue;
			}
			page = w * 64 + __builtin_ctzll(bits);
			if (send_page(m, &m->vm->slots[i], page))
				return -1;
		}
	}
	if (conn_flush(&m->conn))
		return -1;
	bytes = m->conn.sent - bytes;
	/* A round without pages says nothing about the bandwidth. */
	if (bytes) {
		m->round_ns = now_ns() - start;
		m->round_bytes = bytes;
	}
	return left;
}

/* No round follows the last one: a page that it left out would be lost. */
int rounds_complete(struct migration *m)
{
	uint64_t left = m->ops->pending(m->tracker);

	return left ? conn_fail(&m->conn, "%llu pages were left out of the last round",
				(unsigned long long)left) : 0;
}
