/*
 * names.h - texts by small numbers: what many devices have in common is kept once.
 *
 * Numbers count from 0 and are never given back, so the texts must be few: groups that devices are
 * in, domains, summaries of reports. Owner: whoever calls names_init(). One thread. Allocates when
 * a new text comes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "control/hash_index.h"

enum { NAMES_NONE = HASH_INDEX_NONE };

struct names {
	char **items;
	uint32_t count, capacity;
	struct hash_index by_text;
};

void names_init(struct names *names);
void names_fini(struct names *names);

/* The number of a text, given anew where it is not known; NAMES_NONE: out of memory. */
uint32_t names_add(struct names *names, const char *text);
/* NAMES_NONE: it was never added. */
uint32_t names_find(const struct names *names, const char *text);
const char *names_text(const struct names *names, uint32_t number);
