/*
 * certificates.h - what a learnt stack needs beside it for certificates and raw public keys: our key and who is trusted,
 * the device's, and a helper that has done its job before the stack's call is over. Elliptic curves are real, and
 * computed once for each handshake that differs from those before (memo.h).
 */
#pragma once

#include "dataplane/ec/ec_engine.h"
#include "tests/learn/memo.h"
#include "tests/support/dtls_cert_client.h"
#include "tests/unit/stack_world.h"

enum { CERTIFICATES_PLACES = 2 };

struct certificates {
	const struct crypto_ops *crypto;
	struct ec_engine *engine;
	struct ec_trust *trust;
	struct cert root, own, device;
	char raw_identity[IDENTITY_HASH_LEN + 1]; /* of the device's key, as inventory has it */
	struct ec_job *jobs[CERTIFICATES_PLACES];
	unsigned n_jobs;
	struct memo done, flights;
};

/* ---- the helper ---- */

static inline bool
certificates_offer(void *ctx, struct ec_job *job)
{
	struct certificates *ours = ctx;

	if (ours->n_jobs == CERTIFICATES_PLACES)
		return false;
	ours->jobs[ours->n_jobs++] = job;
	return true;
}

static inline void
certificates_work(struct certificates *ours, struct ec_job *job)
{
	const struct lane_head head = job->head;
	const struct ec_job *done;
	uint8_t key[MEMO_KEY];

	crypto_sha256(ours->crypto, (const uint8_t *)job + offsetof(struct ec_job, kind),
		      sizeof *job - offsetof(struct ec_job, kind), key);
	done = memo_find(&ours->done, key);
	if (done) {
		*job = *done;
		job->head = head;
		return;
	}
	ec_engine_work(ours->engine, ours->trust, job, CERT_NOW);
	memo_put(&ours->done, key, job);
}

/* NULL: nothing is to be done. */
static inline struct ec_job *
certificates_next(struct certificates *ours)
{
	struct ec_job *job = ours->n_jobs ? ours->jobs[0] : NULL;

	if (!job)
		return NULL;
	ours->jobs[0] = ours->jobs[--ours->n_jobs];
	certificates_work(ours, job);
	return job;
}

/* ---- the client ---- */

/* Messages of its flight before it has seen the server's: well formed, and of no handshake. */
static inline void
certificates_client(const struct certificates *ours, struct cert_client *client, bool raw_key)
{
	static const uint8_t no_hash[DTLS_HASH];
	static struct cert_client early[2];
	struct cert_client *made = &early[raw_key];

	if (made->flight[0].len == 0) {
		struct writer share = writer_init(made->flight[1].body, EC_MESSAGE_MAX);
		uint8_t point[DTLS_POINT];

		cert_client_init(made, &ours->device, raw_key);
		cert_client_put_certificate(made);
		cert_client_point(EVP_PKEY_get0_EC_KEY(ours->own.key), point);
		dtls_client_key_exchange_write(&share, point);
		made->flight[1].type = DTLS_CLIENT_KEY_EXCHANGE;
		made->flight[1].len = writer_finish(&share);
		cert_client_put_verify(made, no_hash);
		made->first_message = 2;
	}
	*client = *made;
	client->dtls.extra = client->extensions;
}

/* Of all that its flight depends on: what it has said and heard, and the datagram. */
static inline void
certificates_hash(const struct certificates *ours, const struct cert_client *client,
		  const uint8_t *datagram, size_t len, uint8_t key[MEMO_KEY])
{
	struct test_client dtls = client->dtls;
	struct crypto_sha256 hash;

	dtls.sequence = 0;
	crypto_sha256_init(&hash);
	crypto_sha256_update(ours->crypto, &hash, (const uint8_t *)&dtls,
			     offsetof(struct test_client, data));
	crypto_sha256_update(ours->crypto, &hash, (const uint8_t *)&client->assembly,
			     sizeof client->assembly);
	if (client->assembly.have) {
		crypto_sha256_update(ours->crypto, &hash, client->body, sizeof client->body);
		crypto_sha256_update(ours->crypto, &hash, client->seen, sizeof client->seen);
	}
	crypto_sha256_update(ours->crypto, &hash, (const uint8_t *)&client->server_message,
			     sizeof client->server_message);
	crypto_sha256_update(ours->crypto, &hash, client->server_point,
			     sizeof client->server_point);
	crypto_sha256_update(ours->crypto, &hash, datagram, len);
	crypto_sha256_final(ours->crypto, &hash, key);
}

/* Takes a datagram; the client's flight to the same server's is the same as before. */
static inline void
certificates_take(struct certificates *ours, struct cert_client *client, uint8_t *datagram,
		  size_t len)
{
	const uint64_t sequence = client->dtls.sequence;
	const void *known;
	uint8_t key[MEMO_KEY];

	if (client->server_done) {
		cert_client_take(client, datagram, len);
		return;
	}
	certificates_hash(ours, client, datagram, len, key);
	known = memo_find(&ours->flights, key);
	if (known)
		memcpy(client, known, sizeof *client);
	else
		cert_client_take(client, datagram, len);
	if (!known && client->server_done)
		memo_put(&ours->flights, key, client);
	client->dtls.sequence = sequence;
}

/* ---- life ---- */

static inline void
certificates_name_key(struct certificates *ours)
{
	uint8_t spki[DTLS_SPKI], point[DTLS_POINT], digest[DTLS_HASH];
	struct writer out = writer_init(spki, sizeof spki);

	cert_client_point(EVP_PKEY_get0_EC_KEY(ours->device.key), point);
	dtls_spki_write(&out, point);
	crypto_sha256(ours->crypto, spki, sizeof spki, digest);
	memcpy(ours->raw_identity, IDENTITY_RAW_KEY, IDENTITY_HASH_PREFIX);
	for (unsigned i = 0; i < DTLS_HASH; i++)
		snprintf(ours->raw_identity + IDENTITY_HASH_PREFIX + 2 * i, 3, "%02x", digest[i]);
}

static inline void
certificates_init(struct certificates *ours)
{
	struct ec_own own = { 0 };
	char error[EC_ERROR_MAX];

	memset(ours, 0, sizeof *ours);
	ours->crypto = crypto_select();
	ours->done.size = sizeof(struct ec_job);
	ours->flights.size = sizeof(struct cert_client);
	cert_make_ca(&ours->root, "Root", NULL);
	cert_make(&ours->own, &(struct cert_spec){ .cn = "us",
						   .issuer = &ours->root,
						   .usage = "critical,digitalSignature",
						   .extended = "serverAuth" });
	cert_make_device(&ours->device, "dev", &ours->root);
	certificates_name_key(ours);
	ours->engine = ec_engine_new();
	ours->trust = ec_trust_new();
	own.key = (struct ec_bytes){ ours->own.key_der, ours->own.key_der_len };
	own.chain = (struct ec_bytes){ ours->own.der, ours->own.der_len };
	if (!ours->engine || !ours->trust ||
	    ec_trust_add_anchor(ours->trust,
				(struct ec_bytes){ ours->root.der, ours->root.der_len }, 1,
				error) < 0 ||
	    ec_trust_add_own(ours->trust, &own, error) < 0)
		abort();
}

static inline void
certificates_fini(struct certificates *ours)
{
	memo_clear(&ours->done);
	memo_clear(&ours->flights);
	ec_engine_free(ours->engine);
	ec_trust_release(ours->trust);
	cert_free(&ours->root);
	cert_free(&ours->own);
	cert_free(&ours->device);
}
