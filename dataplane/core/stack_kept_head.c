#include "dataplane/core/stack_kept_head.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "dataplane/core/crypto/siphash.h"
#include "dataplane/core/stack_kept.h"

static const char magic[8] = "CRDLKEPT";
static const uint64_t live_word = UINT64_C(0x9d4a5c1e6b3f8207);

static_assert(offsetof(struct kept_origin, layout) == 8 &&
		      offsetof(struct kept_origin, workers) == 16 &&
		      offsetof(struct kept_origin, listeners) == 32 &&
		      offsetof(struct kept_origin, key) == 32 + LISTENERS_MAX * 20 &&
		      offsetof(struct kept_head, check) == 32 + LISTENERS_MAX * 20 + 32,
	      "another layout is another KEPT_LAYOUT");

const char *
kept_found_text(enum kept_found found)
{
	static const char *const texts[] = {
		[KEPT_FOUND_NOTHING] = "there are none",
		[KEPT_FOUND_GOOD] = "they are",
		[KEPT_FOUND_LAYOUT] = "another version of the program wrote them",
		[KEPT_FOUND_SETTINGS] = "`workers`, `sessions`, listeners or addresses were others",
		[KEPT_FOUND_DAMAGED] = "their memory is damaged",
		[KEPT_FOUND_PASSED] = "a hand-over had begun",
		[KEPT_FOUND_AGAIN] =
			"the last three processes that took them up lived for less than a minute",
	};

	return texts[found];
}

/* Against accidents: who writes here on purpose reads keys a page further on. */
static uint64_t
check_of(const struct kept_origin *origin)
{
	const struct siphash_key known = { 1, 2 };

	return siphash13(&known, origin, sizeof *origin);
}

void
kept_origin_init(struct kept_origin *origin)
{
	memset(origin, 0, sizeof *origin);
	memcpy(origin->magic, magic, sizeof magic);
	origin->layout = stack_kept_layout();
	origin->slot_bytes = (uint32_t)stack_kept_slot_bytes();
}

void
kept_head_begin(struct kept_head *head, const struct kept_origin *origin)
{
	head->origin = *origin;
	head->check = check_of(origin);
}

enum kept_found
kept_head_judge(const struct kept_head *head, const struct kept_origin *ours, uint64_t now_us)
{
	static const struct kept_head nothing;

	if (memcmp(head, &nothing, sizeof nothing) == 0)
		return KEPT_FOUND_NOTHING;
	if (memcmp(head->origin.magic, magic, sizeof magic) != 0)
		return KEPT_FOUND_DAMAGED;
	/* Before the check, whose place is of this layout. */
	if (head->origin.layout != ours->layout || head->origin.slot_bytes != ours->slot_bytes)
		return KEPT_FOUND_LAYOUT;
	if (head->check != check_of(&head->origin))
		return KEPT_FOUND_DAMAGED;
	if (memcmp(&head->origin, ours, offsetof(struct kept_origin, key)) != 0)
		return KEPT_FOUND_SETTINGS;
	if (atomic_load(&head->live) != live_word)
		return KEPT_FOUND_PASSED;
	if (head->again >= KEPT_AGAIN_MAX && now_us - head->taken_us < KEPT_AGAIN_US)
		return KEPT_FOUND_AGAIN;
	return KEPT_FOUND_GOOD;
}

void
kept_head_take(struct kept_head *head, uint64_t now_us)
{
	head->again = now_us - head->taken_us < KEPT_AGAIN_US ? head->again + 1 : 1;
	head->taken_us = now_us;
}

void
kept_head_live(struct kept_head *head, bool live)
{
	atomic_store(&head->live, live ? live_word : 0);
}
