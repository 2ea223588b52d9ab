#include "dataplane/ec/ec_engine.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/sha.h>

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
hash_parameters(const struct ec_begin *begin, uint8_t digest[EC_HASH_LEN])
{
	uint8_t bytes[2 * EC_RANDOM_LEN + DTLS_KEY_PARAMETERS];
	struct writer out = writer_init(bytes, sizeof bytes);

	writer_bytes(&out, begin->client_random, EC_RANDOM_LEN);
	writer_bytes(&out, begin->server_random, EC_RANDOM_LEN);
	dtls_key_parameters_write(&out, begin->point);
	SHA256(bytes, writer_len(&out), digest);
}

static bool
sign(const struct own *own, const struct ahead *ahead, struct ec_begin *begin)
{
	uint8_t digest[EC_HASH_LEN], *at = begin->signature;
	ECDSA_SIG *signature;
	int len = 0;

	hash_parameters(begin, digest);
	signature = own->signer.sign ? trust_sign_elsewhere(&own->signer, digest)
				     : ECDSA_do_sign_ex(digest, sizeof digest, ahead->inverse,
							ahead->r, own->key);
	if (signature && i2d_ECDSA_SIG(signature, NULL) <= EC_SIGNATURE_MAX)
		len = i2d_ECDSA_SIG(signature, &at);
	begin->signature_len = (uint8_t)(len > 0 ? len : 0);
	ECDSA_SIG_free(signature);
	return len > 0;
}

static enum ec_verdict
begin(struct ec_engine *engine, const struct ec_trust *trust, struct ec_job *job)
{
	bool raw_key = job->type == DTLS_RAW_PUBLIC_KEY;
	const struct own *own =
		trust_own(trust, job->begin.server_name, job->begin.server_name_len, raw_key);
	struct ahead ahead;
	bool good;

	if (!own)
		return EC_NO_CREDENTIAL;
	if (!take_ahead(engine, &ahead))
		return EC_FAILED;
	memcpy(job->begin.secret, ahead.secret, sizeof ahead.secret);
	memcpy(job->begin.point, ahead.point, sizeof ahead.point);
	good = sign(own, &ahead, &job->begin);
	free_ahead(&ahead);
	if (!good)
		return EC_FAILED;
	job->len = (uint16_t)(raw_key ? sizeof own->raw_key : own->chain_len);
	memcpy(job->bytes, raw_key ? own->raw_key : own->chain, job->len);
	return EC_GOOD;
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
verify_signature(struct ec_engine *engine, const struct ec_finish *finish,
		 const uint8_t point[EC_POINT_LEN])
{
	EC_POINT *public = read_point(engine, point);
	bool right = public && EC_KEY_set_public_key(engine->peer, public) == 1 &&
		     ECDSA_verify(0, finish->hash, EC_HASH_LEN, finish->signature,
				  finish->signature_len, engine->peer) == 1;

	EC_POINT_free(public);
	return right;
}

/* RFC 8422 5.10: the premaster is the x coordinate, leading zeros kept. */
static bool
agree(struct ec_engine *engine, struct ec_finish *finish, const EC_POINT *theirs)
{
	BIGNUM *ours = BN_secure_new(), *x = BN_secure_new();
	EC_POINT *shared = EC_POINT_new(engine->group);
	bool good = ours && x && shared && BN_bin2bn(finish->secret, EC_SCALAR_LEN, ours);

	if (good) {
		BN_set_flags(ours, BN_FLG_CONSTTIME);
		good = EC_POINT_mul(engine->group, shared, NULL, theirs, ours, engine->numbers) ==
			       1 &&
		       EC_POINT_get_affine_coordinates(engine->group, shared, x, NULL,
						       engine->numbers) == 1 &&
		       BN_bn2binpad(x, finish->premaster, EC_SCALAR_LEN) == EC_SCALAR_LEN;
	}
	EC_POINT_clear_free(shared);
	BN_clear_free(ours);
	BN_clear_free(x);
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
	if (!dtls_certificate_parse(job->bytes, job->len, job->type, &chain) || chain.n == 0)
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

static enum ec_verdict
finish(struct ec_engine *engine, const struct ec_trust *trust, struct ec_job *job, int64_t wall_s)
{
	struct ec_finish *finish = &job->finish;
	EC_POINT *theirs = read_point(engine, finish->point);
	struct ec_leaf leaf;
	enum ec_verdict verdict;

	if (!theirs)
		return EC_BAD_POINT;
	verdict = judge_peer(engine, trust, job, wall_s, &leaf);
	finish->trust = ec_trust_generation(trust);
	finish->anchor = leaf.anchor;
	finish->name_len = leaf.name_len;
	memcpy(finish->name, leaf.name, leaf.name_len);
	/* Of a refused certificate, too: the worker answers those alone who have its key. */
	if (verdict != EC_MALFORMED && !verify_signature(engine, finish, leaf.point))
		verdict = EC_BAD_SIGNATURE;
	if (verdict == EC_GOOD && job->type == DTLS_RAW_PUBLIC_KEY && !finish->is_pinned)
		verdict = EC_NOT_PINNED;
	if (verdict == EC_GOOD && !agree(engine, finish, theirs))
		verdict = EC_FAILED;
	EC_POINT_free(theirs);
	OPENSSL_cleanse(finish->secret, sizeof finish->secret);
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
