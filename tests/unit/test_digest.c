/* Digests against RFC 1321 A.5, FIPS 180-4 examples, RFC 2202 2 and RFC 4231 4. */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tasks/digest.h"

static const char *
hex(const uint8_t *bytes, size_t len)
{
	static char text[2 * DIGEST_MAX + 1];

	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return text;
}

static const struct {
	enum digest_algorithm algorithm;
	const char *message, *digest;
} digests[] = {
	{ DIGEST_MD5, "", "d41d8cd98f00b204e9800998ecf8427e" },
	{ DIGEST_MD5, "a", "0cc175b9c0f1b6a831c399e269772661" },
	{ DIGEST_MD5, "abc", "900150983cd24fb0d6963f7d28e17f72" },
	{ DIGEST_MD5, "message digest", "f96b697d7cb7938d525a2f31aaf161d0" },
	{ DIGEST_MD5, "abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b" },
	{ DIGEST_MD5, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
	  "d174ab98d277d9f5a5611c2c9f419d9f" },
	{ DIGEST_MD5,
	  "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
	  "57edf4a22be3c955ac49da2e2107b67a" },
	{ DIGEST_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ DIGEST_SHA256, "abc",
	  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ DIGEST_SHA256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

Test(digest, matches_rfc_1321_and_fips_180_4)
{
	for (size_t i = 0; i < sizeof digests / sizeof *digests; i++) {
		struct digest_span message = { digests[i].message, strlen(digests[i].message) };
		uint8_t out[DIGEST_MAX];
		size_t len = digest_bytes(digests[i].algorithm, message, out);

		cr_expect_str_eq(hex(out, len), digests[i].digest, "%s", digests[i].message);
	}
}

/* A million letters: the third SHA-256 example, and MD5's of the same. */
Test(digest, matches_a_long_message)
{
	static char letters[1000000];
	struct digest_span message = { letters, sizeof letters };
	uint8_t out[DIGEST_MAX];
	size_t len;

	memset(letters, 'a', sizeof letters);
	len = digest_bytes(DIGEST_SHA256, message, out);
	cr_expect_str_eq(hex(out, len),
			 "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	len = digest_bytes(DIGEST_MD5, message, out);
	cr_expect_str_eq(hex(out, len), "7707d6ae4e027c70eea2a935c2296f21");
}

struct hmac_case {
	uint8_t key_byte;
	size_t key_len;
	const char *key, *message, *md5, *sha256;
};

static const struct hmac_case hmacs[] = {
	{ 0x0b, 16, NULL, "Hi There", "9294727a3638bb1c13f48ef8158bfc9d", NULL },
	{ 0x0b, 20, NULL, "Hi There", NULL,
	  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
	{ 0, 4, "Jefe", "what do ya want for nothing?", "750c783e6ab0b503eaa86e310a5db738",
	  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
	{ 0xaa, 80, NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
	  "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd", NULL },
	{ 0xaa, 131, NULL, "Test Using Larger Than Block-Size Key - Hash Key First", NULL,
	  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
};

static void
expect_hmac(enum digest_algorithm algorithm, const struct hmac_case *test, const char *expected)
{
	struct digest_span message = { test->message, strlen(test->message) };
	uint8_t key[256], out[DIGEST_MAX];
	size_t len;

	if (!expected)
		return;
	memset(key, test->key_byte, sizeof key);
	if (test->key)
		memcpy(key, test->key, test->key_len);
	len = digest_hmac(algorithm, (struct digest_span){ key, test->key_len }, message, out);
	cr_expect_str_eq(hex(out, len), expected, "%s", test->message);
}

Test(digest, matches_rfc_2202_and_rfc_4231)
{
	for (size_t i = 0; i < sizeof hmacs / sizeof *hmacs; i++) {
		expect_hmac(DIGEST_MD5, &hmacs[i], hmacs[i].md5);
		expect_hmac(DIGEST_SHA256, &hmacs[i], hmacs[i].sha256);
	}
}
