/*
 * The stack's side of certificates: the pool of what their handshakes take, the jobs that leave
 * for the helper threads, and whose a key, a certificate or a name is.
 */
#include <string.h>

#include "dataplane/core/dtls/dtls_certificate.h"
#include "dataplane/core/ec_job.h"
#include "dataplane/core/secured/secured_internal.h"
#include "dataplane/core/sessions/session_events.h"

/* ---- the pool ---- */

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
	ec = &secured->ecs[secured->free_ec - 1];
	secured->free_ec = ec->handshake;
	ec->handshake = (uint32_t)(handshake - secured->handshakes) + 1;
	ec->serial++;
	ec->taken = true;
	return &ec->dtls;
}

static void
release(void *ctx, struct dtls_ec *dtls)
{
	struct secured *secured = ((struct stack *)ctx)->secured;
	struct secured_ec *ec = (struct secured_ec *)dtls;

	crypto_wipe(dtls, sizeof *dtls);
	ec->taken = false;
	ec->handshake = secured->free_ec;
	secured->free_ec = (uint32_t)(ec - secured->ecs) + 1;
}

/* ---- jobs ---- */

static struct ec_job *
job_for(void *ctx, const struct dtls_ec *dtls)
{
	struct stack *stack = ctx;
	const struct secured_ec *ec = (const struct secured_ec *)dtls;
	struct ec_job *job = stack->config.ec_job(stack->config.ec_ctx);

	if (!job)
		return NULL;
	job->head.worker = stack->config.worker;
	job->slot = (uint32_t)(ec - stack->secured->ecs);
	job->serial = ec->serial;
	return job;
}

static void
offer(void *ctx, struct ec_job *job)
{
	const struct stack_config *config = &((struct stack *)ctx)->config;

	config->ec_offer(config->ec_ctx, job);
}

struct secured_ec *
ec_of_job(const struct stack *stack, const struct ec_job *job)
{
	const struct secured *secured = stack->secured;
	struct secured_ec *ec;

	if (!secured || job->slot >= secured->n_ecs)
		return NULL;
	ec = &secured->ecs[job->slot];
	return ec->taken && ec->serial == job->serial ? ec : NULL;
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

static bool
find_pinned(void *ctx, uint8_t type, const uint8_t fingerprint[DTLS_HASH],
	    struct dtls_identity *found)
{
	struct stack *stack = ctx;
	const struct directory *directory = stack->directory;
	const struct device_entry *entry = NULL;
	char identity[IDENTITY_HASH_LEN];
	uint64_t hash = 0;

	put_identity(identity, type, fingerprint);
	if (directory) {
		hash = directory_hash(directory, identity, sizeof identity);
		entry = directory_find_identity_hashed(directory, hash, identity, sizeof identity);
	}
	return found_in(directory, entry, hash, found);
}

void
ec_report_unknown_key(struct stack *stack, const struct peer *peer, const struct ec_job *job)
{
	uint8_t fingerprint[DTLS_HASH];
	char identity[IDENTITY_HASH_LEN];
	struct dtls_chain key;

	if (!dtls_certificate_parse(job->bytes, job->len, job->type, &key) || key.n == 0)
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
		secured->ecs[i].handshake = i + 1 < secured->n_ecs ? i + 2 : 0;
	secured->free_ec = secured->n_ecs ? 1 : 0;
	secured->server.ec_ctx = stack;
	secured->server.ec = (struct dtls_ec_way){
		.take = take,
		.release = release,
		.job = job_for,
		.offer = offer,
		.find_pinned = find_pinned,
		.find_endpoint = find_endpoint,
	};
}
