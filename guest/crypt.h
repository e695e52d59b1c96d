/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's memory encryption in software.  In memory, the 8 bytes at gpa of a private
 * page are contents XOR hcg_keystream(key, gpa); those of a shared page are the contents.
 * So whoever sends a page as private re-keys it by hcg_rekey(), without knowing what is
 * in it.
 */
#ifndef HCP_GUEST_CRYPT_H
#define HCP_GUEST_CRYPT_H

#include <stdint.h>

#define HCG_PAGE_SIZE	4096
#define HCG_PAGE_WORDS	512

/* The last step of splitmix64: a bijection. */
static inline uint64_t hcg_mix(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Key 0 is no encryption. */
static inline uint64_t hcg_keystream(uint64_t key, uint64_t gpa)
{
	return key ? hcg_mix(hcg_mix(gpa + 0x9e3779b97f4a7c15) ^ key) : 0;
}

/* Turn a private page of the VM with key from into one of the VM with key to. */
static inline void hcg_rekey(uint64_t *page, uint64_t gpa, uint64_t from, uint64_t to)
{
	unsigned int i;

	for (i = 0; i < HCG_PAGE_WORDS; i++)
		page[i] ^= hcg_keystream(from, gpa + i * 8) ^ hcg_keystream(to, gpa + i * 8);
}

#endif /* HCP_GUEST_CRYPT_H */
