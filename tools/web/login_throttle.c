#include "tools/web/login_throttle.h"

#include <string.h>

#include <sodium.h>

enum { FORGET_MS = 3600 * 1000 };

_Static_assert(crypto_shorthash_KEYBYTES == sizeof((struct login_throttle *)0)->secret,
	       "SipHash's key");

void
login_throttle_init(struct login_throttle *throttle)
{
	memset(throttle, 0, sizeof *throttle);
	randombytes_buf(throttle->secret, sizeof throttle->secret);
}

/* Of a name from an address; NULL: of the address alone. Never 0. An IPv6 client has a whole /64 to try from. */
static uint64_t
key_of(const struct login_throttle *throttle, const struct ip_address *from, const char *name)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	unsigned char text[16 + 64 + 1] = { 0 };
	uint64_t key;
	size_t len = name ? strnlen(name, 64) : 0;

	memcpy(text, from->bytes, memcmp(from->bytes, mapped, sizeof mapped) == 0 ? 16 : 8);
	if (name)
		memcpy(text + 16, name, len);
	text[16 + len] = name != NULL;
	crypto_shorthash((unsigned char *)&key, text, 16 + len + 1, throttle->secret);
	return key ? key : 1;
}

static struct throttle_entry *
find(const struct login_throttle *throttle, uint64_t key)
{
	for (unsigned i = 0; i < THROTTLE_ENTRIES; i++)
		if (throttle->entries[i].key == key)
			return (struct throttle_entry *)&throttle->entries[i];
	return NULL;
}

static uint64_t
wait_ms(const struct login_throttle *throttle, uint64_t key, uint64_t now_ms)
{
	const struct throttle_entry *entry = find(throttle, key);

	return entry && entry->until_ms > now_ms ? entry->until_ms - now_ms : 0;
}

unsigned
login_throttle_wait_s(const struct login_throttle *throttle, const struct ip_address *from,
		      const char *name, uint64_t now_ms)
{
	uint64_t own = wait_ms(throttle, key_of(throttle, from, name), now_ms);
	uint64_t all = wait_ms(throttle, key_of(throttle, from, NULL), now_ms);

	return (unsigned)(((own > all ? own : all) + 999) / 1000);
}

static struct throttle_entry *
take_entry(struct login_throttle *throttle, uint64_t key)
{
	struct throttle_entry *entry = find(throttle, key), *least = &throttle->entries[0];

	if (entry)
		return entry;
	for (unsigned i = 0; i < THROTTLE_ENTRIES && least->key; i++) {
		struct throttle_entry *other = &throttle->entries[i];

		if (!other->key || other->until_ms < least->until_ms ||
		    (other->until_ms == least->until_ms && other->last_ms < least->last_ms))
			least = other;
	}
	*least = (struct throttle_entry){ .key = key };
	return least;
}

static void
count_failure(struct login_throttle *throttle, uint64_t key, unsigned free_tries, uint64_t now_ms)
{
	struct throttle_entry *entry = take_entry(throttle, key);
	uint64_t wait_s;

	if (now_ms - entry->last_ms >= FORGET_MS)
		entry->failures = 0;
	entry->failures++;
	entry->last_ms = now_ms;
	if (entry->failures < free_tries)
		return;
	wait_s = entry->failures - free_tries < 9 ? 1u << (entry->failures - free_tries)
						  : THROTTLE_MAX_S;
	entry->until_ms = now_ms + (wait_s < THROTTLE_MAX_S ? wait_s : THROTTLE_MAX_S) * 1000;
}

void
login_throttle_failed(struct login_throttle *throttle, const struct ip_address *from,
		      const char *name, uint64_t now_ms)
{
	count_failure(throttle, key_of(throttle, from, name), THROTTLE_FREE, now_ms);
	count_failure(throttle, key_of(throttle, from, NULL), THROTTLE_FREE_ADDRESS, now_ms);
}

void
login_throttle_passed(struct login_throttle *throttle, const struct ip_address *from,
		      const char *name)
{
	struct throttle_entry *entry = find(throttle, key_of(throttle, from, name));

	if (entry)
		*entry = (struct throttle_entry){ 0 };
}
