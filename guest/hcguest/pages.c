// SPDX-License-Identifier: GPL-2.0
/*
 * Loads and stores that encrypt, and the record.  A migration may change the key
 * between any two instructions, so each access reads the key again afterwards.
 */
#include "pages.h"

static int encrypting;

/* Only ever read: the VMM may have laid a read-only page there. */
static uint64_t key(void)
{
	return encrypting ? *(volatile uint64_t *)HCG_KEY_GPA : 0;
}

uint64_t key_use(void)
{
	encrypting = 1;
	return key();
}

/*
 * A store with the old key in the new VM leaves garbage.  A store before the move was
 * re-keyed with its page.  The guest cannot tell which it was, and repeats both.
 */
static void store(uint64_t gpa, uint64_t value, uint64_t status, uint64_t offset)
{
	volatile uint64_t *p = (void *)(gpa + offset);
	uint64_t k;

	if (status & HCG_PAGE_SHARED) {
		*p = value;
		return;
	}
	do {
		k = key();
		*p = value ^ hcg_keystream(k, gpa);
	} while (key() != k);
}

static uint64_t load(uint64_t gpa, uint64_t status)
{
	volatile uint64_t *p = (void *)gpa;
	uint64_t k, value;

	if (status & HCG_PAGE_SHARED)
		return *p;
	do {
		k = key();
		value = *p ^ hcg_keystream(k, gpa);
	} while (key() != k);
	return value;
}

static volatile uint64_t *entry(uint64_t gfn)
{
	return (volatile uint64_t *)HCG_TABLE_GPA + hcg_page_index(gfn);
}

int pages_known(uint64_t gfn, uint64_t npages)
{
	uint64_t index = hcg_page_index(gfn);

	return index < HCG_TABLE_PAGES && npages <= HCG_TABLE_PAGES - index;
}

int pages_bad(const struct hcg_request *r)
{
	return r->a0 % HCG_PAGE_SIZE || !r->a1 || !pages_known(r->a0 / HCG_PAGE_SIZE, r->a1);
}

void page_forget(uint64_t gfn)
{
	*entry(gfn) = 0;
}

void page_begin(uint64_t gfn)
{
	*entry(gfn) |= HCG_PAGE_BUSY;
}

void page_end(uint64_t gfn)
{
	*entry(gfn) &= ~(uint64_t)HCG_PAGE_BUSY;
}

uint64_t page_status(uint64_t gfn)
{
	return *entry(gfn) & HCG_PAGE_SHARED;
}

void page_put(uint64_t gfn, uint64_t status)
{
	page_put_at(gfn, status, 0);
}

void page_put_at(uint64_t gfn, uint64_t status, uint64_t offset)
{
	uint64_t version = hcg_page_version(*entry(gfn)) + 1;
	unsigned int i;

	*entry(gfn) = version << 8 | status | HCG_PAGE_BUSY;
	for (i = 0; i < HCG_PAGE_WORDS; i++)
		store(gfn * HCG_PAGE_SIZE + i * 8, hcg_page_content(gfn, version, i), status,
		      offset);
	page_end(gfn);
}

void page_recode(uint64_t gfn, uint64_t status)
{
	uint64_t gpa = gfn * HCG_PAGE_SIZE, old = page_status(gfn);
	unsigned int i;

	*entry(gfn) |= HCG_PAGE_BUSY;
	for (i = 0; i < HCG_PAGE_WORDS; i++)
		store(gpa + i * 8, load(gpa + i * 8, old), status, 0);
	*entry(gfn) = hcg_page_version(*entry(gfn)) << 8 | status;
}

/* Of each vCPU: the key last seen and the one before, to explain what is found. */
static struct {
	uint64_t now, before;
} keys[HCG_MAX_VCPUS];

void key_look(unsigned int index)
{
	uint64_t k = key();

	if (k != keys[index].now) {
		keys[index].before = keys[index].now;
		keys[index].now = k;
	}
}

/* got: word i of a page, decrypted if the entry e of the record has it private. */
static enum hcg_found explain(unsigned int index, uint64_t gfn, unsigned int i, uint64_t got,
			      uint64_t e)
{
	uint64_t gpa = gfn * HCG_PAGE_SIZE + i * 8, version = hcg_page_version(e);
	uint64_t k = hcg_keystream(keys[index].now, gpa);
	uint64_t before = hcg_keystream(keys[index].before, gpa);
	uint64_t diff = got ^ hcg_page_content(gfn, version, i);

	if (k && diff == k)
		return e & HCG_PAGE_SHARED ? HCG_FOUND_ENCRYPTED : HCG_FOUND_PLAIN;
	if (before && diff == (before ^ k))
		return e & HCG_PAGE_SHARED ? HCG_FOUND_SENT_PRIVATE : HCG_FOUND_SENT_SHARED;
	if (version > 1 && got == hcg_page_content(gfn, version - 1, i))
		return HCG_FOUND_OLD;
	return HCG_FOUND_GARBAGE;
}

int page_verify(unsigned int index, uint64_t gfn, struct hcg_work *w)
{
	uint64_t e = *entry(gfn), gpa = gfn * HCG_PAGE_SIZE, got, want, bad = 0;
	unsigned int i;

	key_look(index);
	if (!hcg_page_version(e))
		return 1;
	for (i = 0; i < HCG_PAGE_WORDS; i++) {
		got = load(gpa + i * 8, e);
		want = hcg_page_content(gfn, hcg_page_version(e), i);
		if (got == want)
			continue;
		if (!bad++ && !w->bad) {
			w->bad_gfn = gfn;
			w->bad_offset = i * 8;
			w->bad_got = got;
			w->bad_expected = want;
			w->bad_found = explain(index, gfn, i, got, e);
		}
	}
	if (!bad) {
		w->verified++;
		return 1;
	}
	if (!w->bad++)
		w->bad_words = bad;
	return 0;
}
