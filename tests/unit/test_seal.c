/* Sealed secrets: what they open to, and all that does not open. */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "control/store/seal.h"

static const char secret[] = "correct horse battery staple";
enum { LEN = sizeof secret, SEALED = LEN + SEAL_OVERHEAD };

static const struct seal_place place = { SEAL_KEY, 0x0102030405060708 };

static struct keyring
keyring_of(unsigned n)
{
	struct keyring keyring = { .n = n };

	for (unsigned i = 0; i < n; i++) {
		memset(keyring.keks[i].key, 0x40 + (int)i, KEK_LEN);
		memset(keyring.keks[i].id, (int)i, KEK_ID_LEN);
	}
	return keyring;
}

static struct sealer *
sealer_with(unsigned n)
{
	struct keyring keyring = keyring_of(n);
	struct sealer *sealer = sealer_new(&keyring);

	cr_assert_not_null(sealer);
	return sealer;
}

Test(seal, opens_at_its_place_alone)
{
	struct sealer *sealer = sealer_with(1);
	struct seal_place other = place;
	uint8_t sealed[SEALED], plain[LEN];

	cr_assert_eq(sealer_seal(sealer, &place, secret, LEN, sealed), 0);
	cr_expect_null(memmem(sealed, SEALED, secret, 8));
	cr_assert_eq(sealer_open(sealer, 0, &place, sealed, SEALED, plain), 0);
	cr_expect_eq(memcmp(plain, secret, LEN), 0);
	for (unsigned bit = 0; bit < 64; bit++) {
		other.row = place.row ^ 1ull << bit;
		cr_expect_eq(sealer_open(sealer, 0, &other, sealed, SEALED, plain), -EBADMSG);
	}
	other = (struct seal_place){ SEAL_SETTINGS, place.row };
	cr_expect_eq(sealer_open(sealer, 0, &other, sealed, SEALED, plain), -EBADMSG);
	sealer_free(sealer);
}

Test(seal, what_was_changed_or_cut_does_not_open_and_leaves_nothing)
{
	static const uint8_t zero[LEN];
	struct sealer *sealer = sealer_with(1);
	uint8_t sealed[SEALED], plain[LEN];

	cr_assert_eq(sealer_seal(sealer, &place, secret, LEN, sealed), 0);
	for (unsigned i = 0; i < SEALED; i++) {
		sealed[i] ^= 1;
		memset(plain, 0xaa, LEN);
		cr_expect_eq(sealer_open(sealer, 0, &place, sealed, SEALED, plain), -EBADMSG);
		cr_expect_eq(memcmp(plain, zero, LEN), 0);
		sealed[i] ^= 1;
	}
	for (unsigned len = 0; len < SEALED; len++)
		cr_expect_eq(sealer_open(sealer, 0, &place, sealed, len, plain), -EBADMSG);
	sealer_free(sealer);
}

Test(seal, former_keys_open_and_the_first_seals)
{
	struct keyring now = keyring_of(2), before = { .n = 1, .keks = { now.keks[1] } };
	struct sealer *old = sealer_new(&before), *new = sealer_new(&now);
	uint8_t sealed[SEALED], plain[LEN];
	int number;

	cr_assert_eq(sealer_seal(old, &place, secret, LEN, sealed), 0);
	number = sealer_find(new, sealer_id(old), KEK_ID_LEN);
	cr_assert_eq(number, 1);
	cr_expect_eq(sealer_open(new, 1, &place, sealed, SEALED, plain), 0);
	cr_expect_eq(sealer_open(new, 0, &place, sealed, SEALED, plain), -EBADMSG);
	cr_expect_eq(sealer_find(old, sealer_id(new), KEK_ID_LEN), -1);
	cr_expect_eq(sealer_find(new, sealer_id(new), KEK_ID_LEN - 1), -1);
	sealer_free(old);
	sealer_free(new);
}

Test(seal, no_nonce_comes_twice)
{
	enum { N = 2000 };
	static uint8_t nonces[N][SEAL_NONCE_LEN];
	struct sealer *sealer = sealer_with(1);
	uint8_t sealed[SEALED];

	for (unsigned i = 0; i < N; i++) {
		cr_assert_eq(sealer_seal(sealer, &place, secret, LEN, sealed), 0);
		memcpy(nonces[i], sealed, SEAL_NONCE_LEN);
		for (unsigned j = 0; j < i; j++)
			cr_assert_neq(memcmp(nonces[i], nonces[j], SEAL_NONCE_LEN), 0);
	}
	sealer_free(sealer);
}

Test(seal, empty_secrets_and_no_keys)
{
	struct sealer *sealer = sealer_with(1), *none = sealer_with(0);
	uint8_t sealed[SEAL_OVERHEAD], plain[1];

	cr_assert_eq(sealer_seal(sealer, &place, "", 0, sealed), 0);
	cr_expect_eq(sealer_open(sealer, 0, &place, sealed, SEAL_OVERHEAD, plain), 0);
	cr_expect_null(sealer_id(none));
	cr_expect_eq(sealer_find(none, sealer_id(sealer), KEK_ID_LEN), -1);
	sealer_free(sealer);
	sealer_free(none);
	sealer_free(NULL);
}

/* What is stored today must open tomorrow: made by hand with AES-256-GCM, nonce 00 01 ... 0b, associated data 01 and the row. */
Test(seal, the_form_of_a_seal_stays)
{
	static const uint8_t sealed[] = {
		0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x51, 0x26, 0x8b,
		0x5c, 0x9c, 0xef, 0xcf, 0x4e, 0xa6, 0x56, 0xa4, 0x69, 0x00, 0x88, 0xbb, 0x63, 0x1c, 0x24,
		0x0d, 0xab, 0x59, 0x68, 0xba, 0x23, 0x77, 0xdf, 0xc0, 0x18, 0xb0, 0xbb, 0x95, 0xca, 0x0e,
		0x3e, 0x17, 0x77, 0x59, 0xf2, 0x3b, 0x37, 0x1b, 0xc2, 0xca, 0x18, 0xfe,
	};
	struct sealer *sealer = sealer_with(1);
	uint8_t plain[LEN];

	cr_assert_eq(sizeof sealed, SEALED);
	cr_assert_eq(sealer_open(sealer, 0, &place, sealed, sizeof sealed, plain), 0);
	cr_expect_eq(memcmp(plain, secret, LEN), 0);
	sealer_free(sealer);
}
