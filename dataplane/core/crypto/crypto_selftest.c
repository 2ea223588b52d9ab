/*
 * Known-answer tests of a backend, for every start of the program: each primitive, each width of a
 * burst.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "dataplane/core/crypto/crypto.h"

enum {
	VECTOR_MAX = 256, /* bytes of a vector */
	BURST = 7,        /* four records in step, two, and one */
};

/* One value of a vector, written in hexadecimal. */
struct bytes {
	uint8_t data[VECTOR_MAX];
	size_t len;
};

static uint8_t
nibble(char digit)
{
	return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

static struct bytes
unhex(const char *hex)
{
	struct bytes bytes = { .len = 0 };

	for (; hex[0] != '\0'; hex += 2) {
		assert(bytes.len < VECTOR_MAX);
		bytes.data[bytes.len++] = (uint8_t)(nibble(hex[0]) << 4 | nibble(hex[1]));
	}
	return bytes;
}

static bool
matches(const uint8_t *made, const char *hex)
{
	struct bytes bytes = unhex(hex);

	return crypto_equal(made, bytes.data, bytes.len);
}

/* ---- SHA-256 --------------------------------------------------------------------------------- */

static const struct {
	const char *name, *message, *digest;
} sha256_vectors[] = {
	{ "SHA-256, empty message", "",
	  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "SHA-256, FIPS 180-4, one block", "abc",
	  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "SHA-256, FIPS 180-4, two blocks",
	  "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

static const char *
test_sha256(const struct crypto_ops *ops)
{
	uint8_t digest[CRYPTO_HASH_LEN];

	for (size_t i = 0; i < sizeof sha256_vectors / sizeof sha256_vectors[0]; i++) {
		const char *message = sha256_vectors[i].message;

		crypto_sha256(ops, message, strlen(message), digest);
		if (!matches(digest, sha256_vectors[i].digest))
			return sha256_vectors[i].name;
	}
	return NULL;
}

/* ---- HMAC (which also tries two streams in step) --------------------------------------------- */

static const struct {
	const char *name, *key, *data, *mac;
} hmac_vectors[] = {
	{ "HMAC-SHA-256, RFC 4231 case 1", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
	  "4869205468657265", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
	{ "HMAC-SHA-256, RFC 4231 case 2", "4a656665",
	  "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
	{ "HMAC-SHA-256, RFC 4231 case 4", "0102030405060708090a0b0c0d0e0f10111213141516171819",
	  "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
	  "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
	  "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
	{ "HMAC-SHA-256, RFC 4231 case 6",
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	  "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368"
	  "204b6579204669727374",
	  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
};

static const char *
test_hmac(const struct crypto_ops *ops)
{
	for (size_t i = 0; i < sizeof hmac_vectors / sizeof hmac_vectors[0]; i++) {
		struct bytes secret = unhex(hmac_vectors[i].key),
			     data = unhex(hmac_vectors[i].data);
		struct crypto_piece pieces[2] = { { data.data, 3 },
						  { data.data + 3, data.len - 3 } };
		struct crypto_hmac_key key;
		uint8_t mac[CRYPTO_HASH_LEN];

		crypto_hmac_key_init(ops, &key, secret.data, secret.len);
		crypto_hmac(ops, &key, pieces, 2, mac);
		if (!matches(mac, hmac_vectors[i].mac))
			return hmac_vectors[i].name;
	}
	return NULL;
}

/* ---- PRF ------------------------------------------------------------------------------------- */

/*
 * The P_SHA256 vector that was posted to the IETF TLS working group's list, where RFC 5246 has
 * none.
 */
static const char *
test_prf(const struct crypto_ops *ops)
{
	struct bytes secret = unhex("9bbe436ba940f017b17652849a71db35");
	struct bytes seed = unhex("a0ba9f936cda311827a6f796ffd5198c");
	struct crypto_hmac_key key;
	uint8_t out[100];
	struct crypto_prf job = {
		&key, "test label", { { seed.data, seed.len } }, out, sizeof out
	};

	crypto_hmac_key_init(ops, &key, secret.data, secret.len);
	crypto_prf(ops, &job, 1);
	if (matches(out, "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a"
			 "6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab"
			 "4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701"
			 "87347b66"))
		return NULL;
	return "TLS 1.2 PRF, P_SHA256";
}

/* ---- AEADs ----------------------------------------------------------------------------------- */

struct aead_vector {
	const char *name, *key, *nonce, *aad, *plain, *sealed;
};

static const struct aead_vector ccm8_vectors[] = {
	/* The one example of SP 800-38C with a nonce of 12 and a tag of 8. */
	{ "AES-128-CCM-8, SP 800-38C example 3", "404142434445464748494a4b4c4d4e4f",
	  "101112131415161718191a1b", "000102030405060708090a0b0c0d0e0f10111213",
	  "202122232425262728292a2b2c2d2e2f3031323334353637",
	  "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951" },
	/*
	 * A DTLS 1.2 record's shape (RFC 6655 3); OpenSSL 3.0 and mbedTLS 2.28's own CCM agree on
	 * it.
	 */
	{ "AES-128-CCM-8, record of epoch 1", "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf",
	  "a1a2a3a40001000000000005", "000100000000000517fefd0025",
	  "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f5051525354",
	  "e9bcafe1d0247cd07d02b2bcc6b042f76fa2f7849f3e4b42fb72efe8e6cfce7ea72f36b621053219124061"
	  "f9cb" },
	{ "AES-128-CCM-8, nothing but a tag", "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf",
	  "a1a2a3a40001000000000005", "", "", "2018f0e2f78ca87e" },
};

/* The same records; OpenSSL 3.0 and mbedTLS 2.28 agree on them. */
static const struct aead_vector ccm16_vectors[] = {
	{ "AES-128-CCM, record of epoch 1", "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf",
	  "a1a2a3a40001000000000005", "000100000000000517fefd0025",
	  "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f5051525354",
	  "e9bcafe1d0247cd07d02b2bcc6b042f76fa2f7849f3e4b42fb72efe8e6cfce7ea72f36b621"
	  "0e5796935a64a4f29ffbe3d09dea5937" },
	{ "AES-128-CCM, nothing but a tag", "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf",
	  "a1a2a3a40001000000000005", "", "", "cb64bf367c343b28a8272fd3b4ea462a" },
};

/* Of the specification that was submitted to NIST, test cases 1, 2, 3 and 4. */
static const struct aead_vector gcm_vectors[] = {
	{ "AES-128-GCM, test case 1", "00000000000000000000000000000000",
	  "000000000000000000000000", "", "", "58e2fccefa7e3061367f1d57a4e7455a" },
	{ "AES-128-GCM, test case 2", "00000000000000000000000000000000",
	  "000000000000000000000000", "", "00000000000000000000000000000000",
	  "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf" },
	{ "AES-128-GCM, test case 3", "feffe9928665731c6d6a8f9467308308",
	  "cafebabefacedbaddecaf888", "",
	  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
	  "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
	  "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985"
	  "4d5c2af327cd64a62cf35abd2ba6fab4" },
	{ "AES-128-GCM, test case 4", "feffe9928665731c6d6a8f9467308308",
	  "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
	  "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
	  "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
	  "5bc94fbc3221a5db94fae95ae7121a47" },
};

typedef void aead_op(struct crypto_ccm *records, unsigned n);

struct aead {
	aead_op *seal, *open;
	const struct aead_vector *vectors;
	size_t n;
};

/* The same record BURST times, so that every width of a burst is tried. */
static void
fill_burst(struct crypto_ccm burst[BURST], const struct crypto_ccm *record, const uint8_t *in,
	   uint8_t out[BURST][VECTOR_MAX])
{
	for (int i = 0; i < BURST; i++) {
		burst[i] = *record;
		burst[i].in = in;
		burst[i].out = out[i];
	}
}

static bool
seals(aead_op *seal, const struct crypto_ccm *record, const struct bytes *plain,
      const struct bytes *sealed)
{
	uint8_t out[BURST][VECTOR_MAX];
	struct crypto_ccm burst[BURST];
	bool right = true;

	fill_burst(burst, record, plain->data, out);
	seal(burst, BURST);
	for (int i = 0; i < BURST; i++)
		right &= crypto_equal(out[i], sealed->data, sealed->len);
	return right;
}

/* A forged one is to be left as it is. */
static bool
opens(aead_op *open, const struct crypto_ccm *record, const struct bytes *sealed,
      const struct bytes *plain, bool genuine)
{
	uint8_t out[BURST][VECTOR_MAX];
	struct crypto_ccm burst[BURST];
	bool right = true;

	fill_burst(burst, record, sealed->data, out);
	open(burst, BURST);
	for (int i = 0; i < BURST; i++)
		right &= burst[i].ok == genuine && crypto_equal(out[i], plain->data, plain->len);
	return right;
}

static bool
aead_works(const struct aead *aead, const struct aead_vector *vector)
{
	struct bytes key = unhex(vector->key), nonce = unhex(vector->nonce);
	struct bytes aad = unhex(vector->aad), plain = unhex(vector->plain);
	struct bytes sealed = unhex(vector->sealed), forged = sealed, kept;
	struct crypto_ccm record = {
		.key = key.data,
		.nonce = nonce.data,
		.aad = aad.data,
		.aad_len = (uint16_t)aad.len,
		.len = (uint16_t)plain.len,
	};

	forged.data[0] ^= 1;
	kept = forged;
	kept.len = plain.len;
	return seals(aead->seal, &record, &plain, &sealed) &&
	       opens(aead->open, &record, &sealed, &plain, true) &&
	       opens(aead->open, &record, &forged, &kept, false);
}

static const char *
test_aead(const struct aead *aead)
{
	for (size_t i = 0; i < aead->n; i++) {
		if (!aead_works(aead, &aead->vectors[i]))
			return aead->vectors[i].name;
	}
	return NULL;
}

#define VECTORS(vectors) vectors, sizeof vectors / sizeof vectors[0]

static const char *
test_aeads(const struct crypto_ops *ops)
{
	const struct aead aeads[] = {
		{ ops->ccm8_seal, ops->ccm8_open, VECTORS(ccm8_vectors) },
		{ ops->ccm16_seal, ops->ccm16_open, VECTORS(ccm16_vectors) },
		{ ops->gcm_seal, ops->gcm_open, VECTORS(gcm_vectors) },
	};
	const char *failed = NULL;

	for (size_t i = 0; i < sizeof aeads / sizeof aeads[0] && !failed; i++)
		failed = test_aead(&aeads[i]);
	return failed;
}

/* ---- CBC and CTR ----------------------------------------------------------------------------- */

static const char sp800_38a_key[] = "2b7e151628aed2a6abf7158809cf4f3c";
static const char sp800_38a_plain[] =
	"6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
	"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";

static const char *
test_cbc(const struct crypto_ops *ops)
{
	static const char cipher[] =
		"7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
		"73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7";
	struct bytes key = unhex(sp800_38a_key), text = unhex(sp800_38a_plain);
	struct bytes iv = unhex("000102030405060708090a0b0c0d0e0f");
	size_t blocks = text.len / CRYPTO_AES_BLOCK;

	ops->cbc_encrypt(key.data, iv.data, text.data, text.data, blocks);
	if (!matches(text.data, cipher))
		return "AES-128-CBC, SP 800-38A F.2.1";
	ops->cbc_decrypt(key.data, iv.data, text.data, text.data, blocks);
	return matches(text.data, sp800_38a_plain) ? NULL : "AES-128-CBC, SP 800-38A F.2.2";
}

static const char *
test_ctr(const struct crypto_ops *ops)
{
	struct bytes key = unhex(sp800_38a_key), text = unhex(sp800_38a_plain);
	struct bytes counter = unhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
	uint8_t stream[4 * CRYPTO_AES_BLOCK];

	ops->ctr_stream(key.data, counter.data, stream, 4);
	for (size_t i = 0; i < sizeof stream; i++)
		stream[i] ^= text.data[i];
	if (matches(stream, "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
			    "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee"))
		return NULL;
	return "AES-128-CTR, SP 800-38A F.5.1";
}

const char *
crypto_selftest(const struct crypto_ops *ops)
{
	static const char *(*const tests[])(const struct crypto_ops *) = {
		test_sha256, test_hmac, test_prf, test_aeads, test_cbc, test_ctr,
	};

	for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
		const char *failed = tests[i](ops);

		if (failed != NULL)
			return failed;
	}
	return NULL;
}
