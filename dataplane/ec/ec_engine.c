#include "dataplane/ec/ec_engine.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/sha.h>

#include "dataplane/core/dtls/dtls_flight.h"
#include "dataplane/core/dtls/dtls_schedule.h"
#include "dataplane/ec/ec_chain.h"
#include "dataplane/ec/ec_trust_internal.h"

enum {
	AHEAD = 256,           /* key pairs with a nonce each: what 50 ms of handshakes take */
	CACHED = 8192,         /* chains, by a hash of the leaf: 3 MB */
	LOCKED_HEAP = 4 << 20, /* libcrypto's, for private numbers: 48 KB a thread, of 64 at most */
	LOCKED_PIECE = 32,
};

/* One handshake's worth. The nonce is 1/k and r (FIPS 186-4 6.4). */
struct ahead {
	uint8_t secret[EC_SCALAR_LEN], point[EC_POINT_LEN];
	BIGNUM *inverse, *r;
};

struct cached {
	uint8_t fingerprint[FINGERPRINT];
	uint64_t generation; /* of the trust it was verified under; 0: nothing is here */
	struct ec_leaf leaf;
};

struct ec_engine {
	EC_GROUP *group;
	BN_CTX *numbers;
	/* Keys that are filled anew each time: to make one with its group takes as long as to make a
	 * key pair. */
	EC_KEY *pair, *peer;
	struct ahead *ahead;
	unsigned n_ahead;
	struct ec_stats stats;
	struct cached cache[CACHED];
};

/* ---- life ---- */

struct ec_engine *
ec_engine_new(void)
{
	/* lint: allow calloc - of a helper thread, before its first job; 3 MB */
	struct ec_engine *engine = calloc(1, sizeof *engine);

	if (!engine)
		return NULL;
	/* Where memory cannot be locked libcrypto falls back to its ordinary heap. */
	if (!CRYPTO_secure_malloc_initialized())
		(void)CRYPTO_secure_malloc_init(LOCKED_HEAP, LOCKED_PIECE);
	engine->group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	engine->numbers = BN_CTX_new(); /* wiped when freed */
	engine->pair = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	engine->peer = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	engine->ahead = OPENSSL_secure_zalloc(AHEAD * sizeof *engine->ahead);
	if (engine->group && engine->numbers && engine->pair && engine->peer && engine->ahead)
		return engine;
	ec_engine_free(engine);
	return NULL;
}

static void
free_ahead(struct ahead *ahead)
{
	BN_clear_free(ahead->inverse);
	BN_clear_free(ahead->r);
	OPENSSL_cleanse(ahead, sizeof *ahead);
}

void
ec_engine_free(struct ec_engine *engine)
{
	if (!engine)
		return;
	while (engine->n_ahead)
		free_ahead(&engine->ahead[--engine->n_ahead]);
	OPENSSL_secure_clear_free(engine->ahead, AHEAD * sizeof *engine->ahead);
	EC_KEY_free(engine->pair); /* wipes the private number */
	EC_KEY_free(engine->peer);
	EC_GROUP_free(engine->group);
	BN_CTX_free(engine->numbers);
	OPENSSL_cleanse(engine, sizeof *engine);
	free(engine);
}

const struct ec_stats *
ec_engine_stats(const struct ec_engine *engine)
{
	return &engine->stats;
}

/* ---- made ahead ---- */

static bool
put_pair(struct ec_engine *engine, struct ahead *ahead)
{
	return EC_KEY_generate_key(engine->pair) == 1 &&
	       BN_bn2binpad(EC_KEY_get0_private_key(engine->pair), ahead->secret, EC_SCALAR_LEN) ==
		       EC_SCALAR_LEN &&
	       EC_POINT_point2oct(engine->group, EC_KEY_get0_public_key(engine->pair),
				  POINT_CONVERSION_UNCOMPRESSED, ahead->point, EC_POINT_LEN,
				  engine->numbers) == EC_POINT_LEN;
}

/* A nonce depends on the group alone, and yet libcrypto wants to see a private number: any. */
static bool
make_ahead(struct ec_engine *engine, struct ahead *ahead)
{
	*ahead = (struct ahead){ .r = NULL };
	if (put_pair(engine, ahead) &&
	    ECDSA_sign_setup(engine->pair, engine->numbers, &ahead->inverse, &ahead->r) == 1)
		return true;
	free_ahead(ahead);
	ERR_clear_error();
	return false;
}

bool
ec_engine_prepare(struct ec_engine *engine)
{
	if (engine->n_ahead == AHEAD || !make_ahead(engine, &engine->ahead[engine->n_ahead]))
		return false;
	engine->n_ahead++;
	return true;
}

/* Takes one out of the pool, where it is not any more from then on. */
static bool
take_ahead(struct ec_engine *engine, struct ahead *ahead)
{
	if (engine->n_ahead == 0) {
		engine->stats.made_waiting++;
		return make_ahead(engine, ahead);
	}
	*ahead = engine->ahead[--engine->n_ahead];
	engine->ahead[engine->n_ahead] = (struct ahead){ 0 };
	engine->stats.made_ahead++;
	return true;
}

/* ---- EC_BEGIN ---- */

/* RFC 8422 5.4: what ServerKeyExchange signs. */
static void
hash_parameters(const struct ec_job *job, const uint8_t point[EC_POINT_LEN],
		uint8_t digest[EC_HASH_LEN])
{
	uint8_t bytes[2 * DTLS_RANDOM + DTLS_KEY_PARAMETERS];
	struct writer out = writer_init(bytes, sizeof bytes);

	writer_bytes(&out, job->client_random, DTLS_RANDOM);
	writer_bytes(&out, job->server_random, DTLS_RANDOM);
	dtls_key_parameters_write(&out, point);
	SHA256(bytes, writer_len(&out), digest);
}

/* Its length; 0: it cannot be made. */
static size_t
sign(const struct own *own, const struct ahead *ahead, const struct ec_job *job,
     uint8_t bytes[EC_SIGNATURE_MAX])
{
	uint8_t digest[EC_HASH_LEN], *at = bytes;
	ECDSA_SIG *signature;
	int len = 0;

	hash_parameters(job, ahead->point, digest);
	signature = own->signer.sign ? trust_sign_elsewhere(&own->signer, digest)
				     : ECDSA_do_sign_ex(digest, sizeof digest, ahead->inverse,
							ahead->r, own->key);
	if (signature && i2d_ECDSA_SIG(signature, NULL) <= EC_SIGNATURE_MAX)
		len = i2d_ECDSA_SIG(signature, &at);
	ECDSA_SIG_free(signature);
	return len > 0 ? (size_t)len : 0;
}

static enum ec_verdict
begin(struct ec_engine *engine, const struct ec_trust *trust, struct ec_job *job)
{
	bool raw_key = job->type == DTLS_RAW_PUBLIC_KEY;
	const struct own *own =
		trust_own(trust, job->begin.server_name, job->begin.server_name_len, raw_key);
	uint8_t bytes[EC_SIGNATURE_MAX];
	struct dtls_bytes certificate, signature = { .at = bytes };
	struct ahead ahead;
	bool good;

	if (!own)
		return EC_NO_CREDENTIAL;
	if (!take_ahead(engine, &ahead))
		return EC_FAILED;
	certificate = raw_key ? (struct dtls_bytes){ own->raw_key, sizeof own->raw_key }
			      : (struct dtls_bytes){ own->chain, own->chain_len };
	memcpy(job->secrets.secret, ahead.secret, sizeof ahead.secret);
	signature.len = sign(own, &ahead, job, bytes);
	good = signature.len && dtls_flight_complete(job, &certificate, ahead.point, &signature);
	free_ahead(&ahead);
	return good ? EC_GOOD : EC_FAILED;
}

/* ---- EC_FINISH ---- */

/* A public key from its point, which is checked to be on the curve; with a cofactor of 1 nothing
 * else is to be checked (SEC 1 3.2.2.1). NULL: it is not. */
static EC_POINT *
read_point(struct ec_engine *engine, const uint8_t bytes[EC_POINT_LEN])
{
	EC_POINT *point = EC_POINT_new(engine->group);

	if (point &&
	    EC_POINT_oct2point(engine->group, point, bytes, EC_POINT_LEN, engine->numbers) == 1)
		return point;
	EC_POINT_free(point);
	return NULL;
}

/* RFC 5246 7.4.8. */
static bool
verify_signature(struct ec_engine *engine, const struct ec_job *job,
		 const uint8_t hash[EC_HASH_LEN], const uint8_t point[EC_POINT_LEN])
{
	EC_POINT *public = read_point(engine, point);
	struct dtls_bytes signature;
	bool right =
		public &&
		dtls_certificate_verify_parse(ec_job_verify(job), job->verify_len, &signature) &&
		EC_KEY_set_public_key(engine->peer, public) == 1 &&
		ECDSA_verify(0, hash, EC_HASH_LEN, signature.at, (int)signature.len,
			     engine->peer) == 1;

	EC_POINT_free(public);
	return right;
}

/* RFC 8422 5.10: the premaster is the x coordinate, leading zeros kept. */
static bool
multiply(struct ec_engine *engine, const uint8_t secret[EC_SCALAR_LEN], const EC_POINT *theirs,
	 uint8_t premaster[EC_SCALAR_LEN])
{
	BIGNUM *ours = BN_secure_new(), *x = BN_secure_new();
	EC_POINT *shared = EC_POINT_new(engine->group);
	bool good = ours && x && shared && BN_bin2bn(secret, EC_SCALAR_LEN, ours);

	if (good) {
		BN_set_flags(ours, BN_FLG_CONSTTIME);
		good = EC_POINT_mul(engine->group, shared, NULL, theirs, ours, engine->numbers) ==
			       1 &&
		       EC_POINT_get_affine_coordinates(engine->group, shared, x, NULL,
						       engine->numbers) == 1 &&
		       BN_bn2binpad(x, premaster, EC_SCALAR_LEN) == EC_SCALAR_LEN;
	}
	EC_POINT_clear_free(shared);
	BN_clear_free(ours);
	BN_clear_free(x);
	return good;
}

/* What is known once the client has shown its key. */
struct flight {
	struct crypto_sha256 transcript; /* up to CertificateVerify */
	/* Up to ClientKeyExchange: what CertificateVerify signs, and the session hash (RFC 7627 3). */
	uint8_t hash[EC_HASH_LEN];
};

/* All that follows from the master secret. */
static void
derive(struct ec_job *job, const struct crypto_sha256 *transcript, const uint8_t hash[EC_HASH_LEN],
       const struct crypto_piece randoms[2])
{
	struct ec_secrets *secrets = &job->secrets;
	const struct dtls_derivation derivation = {
		.master = secrets->master,
		.hash = hash,
		.randoms = { randoms[0], randoms[1] },
		.derived = &secrets->derived,
	};
	const struct dtls_answering answering = {
		.transcript = transcript,
		.derived = &secrets->derived,
		.verify_data = secrets->answer,
		.message = job->next_message,
	};

	dtls_schedule_derive(job->ops, &derivation, 1);
	dtls_schedule_answer(job->ops, &answering, 1);
}

/* The master secret (RFC 5246 8.1, RFC 7627 4), and all that follows from it. */
static bool
agree(struct ec_engine *engine, struct ec_job *job, const EC_POINT *theirs,
      const struct flight *flight)
{
	const struct crypto_piece randoms[2] = { { job->client_random, DTLS_RANDOM },
						 { job->server_random, DTLS_RANDOM } };
	const struct crypto_piece session[2] = { { flight->hash, EC_HASH_LEN } };
	bool extended = job->finish.extended_master_secret;
	struct ec_secrets *secrets = &job->secrets;
	uint8_t premaster[EC_SCALAR_LEN], hash[EC_HASH_LEN];
	bool good = multiply(engine, secrets->secret, theirs, premaster);

	if (good) {
		dtls_schedule_master_of(job->ops,
					&(struct crypto_piece){ premaster, sizeof premaster },
					extended ? "extended master secret" : "master secret",
					extended ? session : randoms, secrets->master);
		crypto_sha256_final(job->ops, &flight->transcript, hash);
		derive(job, &flight->transcript, hash, randoms);
	}
	crypto_wipe(premaster, sizeof premaster);
	return good;
}

/* A verified chain out of the cache, or verified now. */
static enum ec_verdict
verify_chain(struct ec_engine *engine, const struct ec_trust *trust, const struct dtls_chain *chain,
	     bool is_pinned, int64_t wall_s, struct ec_leaf *leaf)
{
	const struct dtls_bytes *der = &chain->certificates[0];
	uint8_t fingerprint[FINGERPRINT];
	struct cached *cached;
	enum ec_verdict verdict;
	uint16_t place;

	SHA256(der->at, der->len, fingerprint);
	memcpy(&place, fingerprint, sizeof place);
	cached = &engine->cache[place % CACHED];
	if (!is_pinned && cached->generation == trust->generation &&
	    memcmp(cached->fingerprint, fingerprint, sizeof fingerprint) == 0 &&
	    wall_s <= cached->leaf.ends + trust->grace_s) {
		*leaf = cached->leaf;
		engine->stats.chains_cached++;
		return EC_GOOD;
	}
	engine->stats.chains_verified++;
	verdict = ec_chain_verify(trust, chain, is_pinned, wall_s, leaf);
	if (verdict == EC_GOOD && !is_pinned) {
		cached->generation = trust->generation;
		memcpy(cached->fingerprint, fingerprint, sizeof fingerprint);
		cached->leaf = *leaf;
	}
	return verdict;
}

/* Whose certificate it is: a raw key is known by the worker, before the job was given. */
static enum ec_verdict
judge_peer(struct ec_engine *engine, const struct ec_trust *trust, const struct ec_job *job,
	   int64_t wall_s, struct ec_leaf *leaf)
{
	const struct dtls_bytes *first;
	uint8_t fingerprint[FINGERPRINT];
	struct dtls_chain chain;
	const uint8_t *point;

	*leaf = (struct ec_leaf){ .anchor = 0 };
	if (!dtls_certificate_parse(ec_job_chain(job), job->chain_len, job->type, &chain) ||
	    chain.n == 0)
		return EC_MALFORMED;
	if (job->type == DTLS_X509)
		return verify_chain(engine, trust, &chain, job->finish.is_pinned, wall_s, leaf);
	first = &chain.certificates[0];
	point = dtls_spki_point(first->at, first->len);
	if (!point)
		return EC_MALFORMED;
	memcpy(leaf->point, point, sizeof leaf->point);
	SHA256(first->at, first->len, fingerprint);
	return trust_denies(trust, fingerprint) ? EC_DENIED : EC_GOOD;
}

static void
hash_flight(const struct ec_job *job, struct flight *flight)
{
	flight->transcript = job->transcript;
	crypto_sha256_update(job->ops, &flight->transcript, job->bytes + job->chain_at,
			     DTLS_HANDSHAKE_HEADER + job->chain_len + EC_SHARE);
	crypto_sha256_final(job->ops, &flight->transcript, flight->hash);
	crypto_sha256_update(job->ops, &flight->transcript,
			     ec_job_verify(job) - DTLS_HANDSHAKE_HEADER,
			     DTLS_HANDSHAKE_HEADER + job->verify_len);
}

static enum ec_verdict
finish(struct ec_engine *engine, const struct ec_trust *trust, struct ec_job *job, int64_t wall_s)
{
	struct ec_finish *finish = &job->finish;
	const uint8_t *share =
		dtls_client_key_exchange_parse(ec_job_share(job), EC_SHARE - DTLS_HANDSHAKE_HEADER);
	EC_POINT *theirs = share ? read_point(engine, share) : NULL;
	struct flight flight;
	struct ec_leaf leaf;
	enum ec_verdict verdict;

	if (!theirs)
		return EC_BAD_POINT;
	hash_flight(job, &flight);
	verdict = judge_peer(engine, trust, job, wall_s, &leaf);
	finish->trust = ec_trust_generation(trust);
	finish->anchor = leaf.anchor;
	finish->name_len = leaf.name_len;
	memcpy(finish->name, leaf.name, leaf.name_len);
	/* Of a refused certificate, too: the worker answers those alone who have its key. */
	if (verdict != EC_MALFORMED && !verify_signature(engine, job, flight.hash, leaf.point))
		verdict = EC_BAD_SIGNATURE;
	if (verdict == EC_GOOD && job->type == DTLS_RAW_PUBLIC_KEY && !finish->is_pinned)
		verdict = EC_NOT_PINNED;
	if (verdict == EC_GOOD && !agree(engine, job, theirs, &flight))
		verdict = EC_FAILED;
	EC_POINT_free(theirs);
	return verdict;
}

void
ec_engine_work(struct ec_engine *engine, const struct ec_trust *trust, struct ec_job *job,
	       int64_t wall_s)
{
	enum ec_verdict verdict = EC_NO_CREDENTIAL;

	if (trust)
		verdict = job->kind == EC_BEGIN ? begin(engine, trust, job)
						: finish(engine, trust, job, wall_s);
	job->verdict = (uint8_t)verdict;
	ERR_clear_error();
}
