/*
 * The stack's side of certificates: the pool of what their handshakes take, the jobs that leave
 * for the helper threads, and whose a key, a certificate or a name is.
 */
#include <string.h>

#include "dataplane/core/dtls/dtls_certificate.h"
#include "dataplane/core/dtls/ec_job.h"
#include "dataplane/core/secured/secured_internal.h"
#include "dataplane/core/sessions/session_events.h"

/* ---- the pool ---- */

static struct secured_ec *
take_free(struct secured *secured, const struct secured_handshake *handshake)
{
	struct secured_ec *ec = &secured->ecs[secured->free_ec - 1];

	secured->free_ec = ec->next_free;
	ec->handshake = (uint32_t)(handshake - secured->handshakes) + 1;
	memset(&ec->dtls, 0, offsetof(struct dtls_ec, job));
	return ec;
}

static struct dtls_ec *
take(void *ctx, const struct dtls_handshake *hs)
{
	struct stack *stack = ctx;
	struct secured *secured = stack->secured;
	const struct secured_handshake *handshake =
		(const struct secured_handshake *)((const char *)hs -
						   offsetof(struct secured_handshake, dtls));
	struct secured_ec *ec;

	if (!secured->free_ec) {
		count(&stack->counters, COUNTER_dtls_certificates_full);
		return NULL;
	}
	/* First: who has had his share takes nothing of the others'. */
	if (!ratelimit_prefixes_take(&secured->certificate_prefixes, secured->asking->addr,
				     stack->now_us)) {
		count(&stack->counters, COUNTER_dtls_certificates_prefix_limited);
		return NULL;
	}
	if (!ratelimit_take(&secured->certificates, stack->now_us)) {
		count(&stack->counters, COUNTER_dtls_certificates_limited);
		return NULL;
	}
	ec = take_free(secured, handshake);
	return &ec->dtls;
}

struct dtls_ec *
secured_ec_restore(struct stack *stack, const struct secured_handshake *handshake)
{
	return stack->secured->free_ec ? &take_free(stack->secured, handshake)->dtls : NULL;
}

static void
give_back(struct secured *secured, struct secured_ec *ec)
{
	crypto_wipe(&ec->dtls.job.secrets, sizeof ec->dtls.job.secrets);
	ec->next_free = secured->free_ec;
	secured->free_ec = (uint32_t)(ec - secured->ecs) + 1;
}

static void
release(void *ctx, struct dtls_ec *dtls)
{
	struct secured *secured = ((struct stack *)ctx)->secured;
	struct secured_ec *ec = (struct secured_ec *)dtls;

	ec->handshake = 0;
	if (!ec->is_away)
		give_back(secured, ec);
}

/* ---- jobs ---- */

static bool
offer(void *ctx, struct dtls_ec *dtls)
{
	const struct stack_config *config = &((struct stack *)ctx)->config;
	struct secured_ec *ec = (struct secured_ec *)dtls;

	dtls->job.head.worker = config->worker;
	ec->is_away = config->ec_offer(config->ec_ctx, &dtls->job);
	return ec->is_away;
}

struct secured_ec *
ec_take_back(struct stack *stack, struct ec_job *job)
{
	struct secured_ec *ec =
		(struct secured_ec *)((char *)job - offsetof(struct secured_ec, dtls.job));

	ec->is_away = false;
	if (ec->handshake)
		return ec;
	count(&stack->counters, COUNTER_dtls_ec_late);
	give_back(stack->secured, ec);
	return NULL;
}

/* ---- whose it is ---- */

static bool
found_in(const struct directory *directory, const struct device_entry *entry, uint64_t hash,
	 struct dtls_identity *found)
{
	if (!entry)
		return false;
	found->device = entry->id;
	found->hash = hash;
	return true;
}

/* How inventory names a key or certificate: directory.h. */
static void
put_identity(char identity[IDENTITY_HASH_LEN], uint8_t type, const uint8_t fingerprint[DTLS_HASH])
{
	static const char digits[] = "0123456789abcdef";
	char *at = identity + IDENTITY_HASH_PREFIX;

	memcpy(identity, type == DTLS_RAW_PUBLIC_KEY ? IDENTITY_RAW_KEY : IDENTITY_CERTIFICATE,
	       IDENTITY_HASH_PREFIX);
	for (unsigned i = 0; i < DTLS_HASH; i++) {
		*at++ = digits[fingerprint[i] >> 4];
		*at++ = digits[fingerprint[i] & 15];
	}
}

/* Hashing a certificate takes as long as a datagram: not where inventory has none. */
static bool
find_pinned(void *ctx, uint8_t type, const struct dtls_bytes *der, struct dtls_identity *found)
{
	struct stack *stack = ctx;
	const struct directory *directory = stack->directory;
	const struct device_entry *entry;
	uint8_t fingerprint[DTLS_HASH];
	char identity[IDENTITY_HASH_LEN];
	uint64_t hash;

	if (!directory || (type == DTLS_X509 && !directory_has_certificates(directory)))
		return false;
	crypto_sha256(stack->secured->server.ops, der->at, der->len, fingerprint);
	put_identity(identity, type, fingerprint);
	hash = directory_hash(directory, identity, sizeof identity);
	entry = directory_find_identity_hashed(directory, hash, identity, sizeof identity);
	return found_in(directory, entry, hash, found);
}

void
ec_report_unknown_key(struct stack *stack, const struct peer *peer, const struct ec_job *job)
{
	uint8_t fingerprint[DTLS_HASH];
	char identity[IDENTITY_HASH_LEN];
	struct dtls_chain key;

	if (!dtls_certificate_parse(ec_job_chain(job), job->chain_len, job->type, &key) ||
	    key.n == 0)
		return;
	crypto_sha256(stack->secured->server.ops, key.certificates[0].at, key.certificates[0].len,
		      fingerprint);
	put_identity(identity, DTLS_RAW_PUBLIC_KEY, fingerprint);
	events_report_unknown(stack, peer, UNKNOWN_OVER_RAW_KEY, (const uint8_t *)identity,
			      sizeof identity);
}

static bool
find_endpoint(void *ctx, const struct ec_finish *finish, struct dtls_identity *found)
{
	struct stack *stack = ctx;
	const struct directory *directory = stack->directory;
	const struct device_entry *entry = NULL;
	uint64_t hash = 0;

	if (directory) {
		hash = directory_hash(directory, finish->name, finish->name_len);
		entry = directory_find_hashed(directory, hash, finish->name, finish->name_len);
	}
	if (!entry) {
		events_report_vouched(stack, stack->secured->asking, finish);
		return false;
	}
	if (device_entry_is_pinned(entry)) {
		events_report_certificate(stack, stack->secured->asking, entry->id, EC_NOT_PINNED,
					  finish->name, finish->name_len);
		return false;
	}
	return found_in(directory, entry, hash, found);
}

/* ---- life ---- */

void
ec_init(struct stack *stack)
{
	struct secured *secured = stack->secured;

	for (uint32_t i = 0; i < secured->n_ecs; i++)
		secured->ecs[i].next_free = i + 1 < secured->n_ecs ? i + 2 : 0;
	secured->free_ec = secured->n_ecs ? 1 : 0;
	secured->server.ec_ctx = stack;
	secured->server.ec = (struct dtls_ec_way){
		.take = take,
		.release = release,
		.offer = offer,
		.find_pinned = find_pinned,
		.find_endpoint = find_endpoint,
	};
}
