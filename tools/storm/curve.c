#include "tools/storm/curve.h"

#include <string.h>

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

enum { LABEL_MAX = 32, SEED_MAX = 64 };

/* Errors that libcrypto keeps for somebody would pile up. */
static bool
told(bool good)
{
	if (!good)
		ERR_clear_error();
	return good;
}

/* ---- keys ---- */

static EC_KEY *
new_key(void)
{
	return EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
}

bool
curve_make_pair(uint8_t secret[CURVE_SECRET], uint8_t point[CURVE_POINT])
{
	EC_KEY *key = new_key();
	bool good =
		key && EC_KEY_generate_key(key) == 1 &&
		BN_bn2binpad(EC_KEY_get0_private_key(key), secret, CURVE_SECRET) == CURVE_SECRET &&
		EC_POINT_point2oct(EC_KEY_get0_group(key), EC_KEY_get0_public_key(key),
				   POINT_CONVERSION_UNCOMPRESSED, point, CURVE_POINT,
				   NULL) == CURVE_POINT;

	EC_KEY_free(key);
	return told(good);
}

/* A hash is above the group's order, or 0, once in 2^32: then the next one is taken. */
bool
curve_derive_secret(const uint8_t seed[CURVE_HASH], const char *text, size_t len,
		    uint8_t secret[CURVE_SECRET])
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	BIGNUM *number = BN_new();
	bool good = false;

	for (uint8_t attempt = 0; group && number && !good && attempt < UINT8_MAX; attempt++) {
		SHA256_CTX hash;

		SHA256_Init(&hash);
		SHA256_Update(&hash, seed, CURVE_HASH);
		SHA256_Update(&hash, &attempt, 1);
		SHA256_Update(&hash, text, len);
		SHA256_Final(secret, &hash);
		good = BN_bin2bn(secret, CURVE_SECRET, number) && !BN_is_zero(number) &&
		       BN_cmp(number, EC_GROUP_get0_order(group)) < 0;
	}
	BN_clear_free(number);
	EC_GROUP_free(group);
	return told(good);
}

static bool
set_secret(EC_KEY *key, const uint8_t secret[CURVE_SECRET])
{
	BIGNUM *number = BN_bin2bn(secret, CURVE_SECRET, NULL);
	bool good = key && number && EC_KEY_set_private_key(key, number) == 1;

	BN_clear_free(number);
	return good;
}

EC_KEY *
curve_key(const uint8_t secret[CURVE_SECRET])
{
	EC_KEY *key = new_key();
	EC_POINT *point = key ? EC_POINT_new(EC_KEY_get0_group(key)) : NULL;
	bool good = point && set_secret(key, secret) &&
		    EC_POINT_mul(EC_KEY_get0_group(key), point, EC_KEY_get0_private_key(key), NULL,
				 NULL, NULL) == 1 &&
		    EC_KEY_set_public_key(key, point) == 1;

	EC_POINT_free(point);
	if (told(good))
		return key;
	EC_KEY_free(key);
	return NULL;
}

EC_KEY *
curve_public_key(const uint8_t point[CURVE_POINT])
{
	EC_KEY *key = new_key();

	/* Whoever is not on the curve is refused there. */
	if (told(key && EC_KEY_oct2key(key, point, CURVE_POINT, NULL) == 1))
		return key;
	EC_KEY_free(key);
	return NULL;
}

bool
curve_put_spki(const EC_KEY *key, uint8_t spki[CURVE_SPKI])
{
	uint8_t *at = spki;
	bool fits = i2d_EC_PUBKEY(key, NULL) == CURVE_SPKI;

	return told(fits && i2d_EC_PUBKEY(key, &at) == CURVE_SPKI);
}

EC_KEY *
curve_key_of_spki(const uint8_t *spki, size_t len)
{
	const uint8_t *at = spki;
	EC_KEY *key = d2i_EC_PUBKEY(NULL, &at, (long)len);
	bool good = key && at == spki + len &&
		    EC_GROUP_get_curve_name(EC_KEY_get0_group(key)) == NID_X9_62_prime256v1;

	if (told(good))
		return key;
	EC_KEY_free(key);
	return NULL;
}

/* ---- signatures and shared secrets ---- */

bool
curve_sign(const uint8_t secret[CURVE_SECRET], const uint8_t hash[CURVE_HASH],
	   uint8_t signature[CURVE_SIGNATURE], size_t *len)
{
	EC_KEY *key = new_key();
	unsigned written = 0;
	bool good = key && set_secret(key, secret) &&
		    ECDSA_sign(0, hash, CURVE_HASH, signature, &written, key) == 1;

	EC_KEY_free(key);
	*len = written;
	return told(good);
}

bool
curve_verify(EC_KEY *key, const uint8_t hash[CURVE_HASH], const uint8_t *signature, size_t len)
{
	return told(ECDSA_verify(0, hash, CURVE_HASH, signature, (int)len, key) == 1);
}

bool
curve_agree(const uint8_t secret[CURVE_SECRET], const uint8_t point[CURVE_POINT],
	    uint8_t shared[CURVE_SECRET])
{
	EC_KEY *peer = curve_public_key(point);
	const EC_GROUP *group = peer ? EC_KEY_get0_group(peer) : NULL;
	EC_POINT *product = group ? EC_POINT_new(group) : NULL;
	BIGNUM *number = BN_bin2bn(secret, CURVE_SECRET, NULL), *x = BN_new();
	bool good = product && number && x &&
		    EC_POINT_mul(group, product, NULL, EC_KEY_get0_public_key(peer), number,
				 NULL) == 1 &&
		    EC_POINT_get_affine_coordinates(group, product, x, NULL, NULL) == 1 &&
		    BN_bn2binpad(x, shared, CURVE_SECRET) == CURVE_SECRET;

	BN_clear_free(x);
	BN_clear_free(number);
	EC_POINT_clear_free(product);
	EC_KEY_free(peer);
	return told(good);
}

/* ---- PRF ---- */

/* RFC 5246 5: A(0) = seed, A(i) = HMAC(secret, A(i-1)); what comes out is HMAC(secret, A(i) + seed).
 */
bool
curve_prf(const struct curve_prf *prf, uint8_t *out, size_t len)
{
	uint8_t text[CURVE_HASH + LABEL_MAX + SEED_MAX], piece[CURVE_HASH];
	size_t label_len = strlen(prf->label), seed_len = label_len + prf->seed_len;
	bool good = label_len <= LABEL_MAX && prf->seed_len <= SEED_MAX;

	if (!good)
		return false;
	memcpy(text + CURVE_HASH, prf->label, label_len);
	memcpy(text + CURVE_HASH + label_len, prf->seed, prf->seed_len);
	good = HMAC(EVP_sha256(), prf->secret, (int)prf->secret_len, text + CURVE_HASH, seed_len,
		    text, NULL) != NULL;
	for (size_t done = 0; good && done < len; done += CURVE_HASH) {
		size_t n = len - done < CURVE_HASH ? len - done : CURVE_HASH;

		good = HMAC(EVP_sha256(), prf->secret, (int)prf->secret_len, text,
			    CURVE_HASH + seed_len, piece, NULL) &&
		       HMAC(EVP_sha256(), prf->secret, (int)prf->secret_len, text, CURVE_HASH, text,
			    NULL);
		memcpy(out + done, piece, n);
	}
	OPENSSL_cleanse(text, sizeof text);
	OPENSSL_cleanse(piece, sizeof piece);
	return told(good);
}
