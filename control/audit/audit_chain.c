#include "control/audit/audit_chain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tasks/digest.h"

enum { HASH_LEN = AUDIT_HASH_MAX - 1 };

/* `,"hash":"` 64 digits `"}` */
static const char hash_member[] = ",\"hash\":\"";
enum { TAIL_LEN = sizeof hash_member - 1 + HASH_LEN + 2 };

bool
audit_hash(const char *bytes, size_t len, char hash[AUDIT_HASH_MAX])
{
	uint8_t digest[DIGEST_MAX];
	size_t digest_len =
		digest_bytes(DIGEST_SHA256, (struct digest_span){ bytes, len }, digest);

	for (size_t i = 0; i < digest_len; i++)
		snprintf(hash + 2 * i, 3, "%02x", digest[i]);
	return digest_len == HASH_LEN / 2;
}

static int
broken(const struct audit_chain *chain, char error[AUDIT_ERROR_MAX], const char *why)
{
	snprintf(error, AUDIT_ERROR_MAX, "line %llu: %s; the last good one is number %llu",
		 (unsigned long long)chain->lines, why, (unsigned long long)chain->seq);
	return -EBADMSG;
}

/* The line's own hash, as it says and as it is. */
static bool
hash_fits(const char *line, size_t len, char hash[AUDIT_HASH_MAX])
{
	const char *tail = line + len - TAIL_LEN;

	return len > TAIL_LEN && memcmp(tail, hash_member, sizeof hash_member - 1) == 0 &&
	       audit_hash(line, len - TAIL_LEN, hash) &&
	       memcmp(tail + sizeof hash_member - 1, hash, HASH_LEN) == 0 &&
	       memcmp(tail + TAIL_LEN - 2, "\"}", 2) == 0;
}

static int
take_json(struct audit_chain *chain, const json_t *json, const char *hash,
	  char error[AUDIT_ERROR_MAX])
{
	const char *prev = json_string_value(json_object_get(json, "prev"));
	json_int_t seq = json_integer_value(json_object_get(json, "seq"));
	const char *expected = chain->seq ? chain->hash : AUDIT_NO_HASH;

	if (!prev || seq < 1)
		return broken(chain, error, "it has no number, or names no line before it");
	if (strcmp(prev, expected) != 0)
		return broken(chain, error,
			      "it does not follow the line before it: one was taken out, put in or "
			      "moved");
	if ((uint64_t)seq != chain->seq + 1)
		return broken(chain, error, "its number does not follow");
	chain->seq = (uint64_t)seq;
	memcpy(chain->hash, hash, AUDIT_HASH_MAX);
	return 0;
}

int
audit_chain_take(struct audit_chain *chain, const char *line, size_t len, json_t **json,
		 char error[AUDIT_ERROR_MAX])
{
	char hash[AUDIT_HASH_MAX];
	int result;

	chain->lines++;
	*json = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	if (!*json) {
		chain->cut++;
		return 0; /* what follows must follow the line before it all the same */
	}
	if (!hash_fits(line, len, hash))
		result = broken(chain, error, "it was changed: its hash is not that of its text");
	else
		result = take_json(chain, *json, hash, error);
	if (result < 0) {
		json_decref(*json);
		*json = NULL;
	}
	return result;
}
