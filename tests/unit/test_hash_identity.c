/* Identities that are hashes: taken as people write them, kept as workers compare them. */
#include <criterion/criterion.h>

#include <string.h>

#include "control/inventory/hash_identity.h"
#include "dataplane/dataplane.h"

#define DIGITS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UPPER  "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"
#define COLONS                                                                                     \
	"01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:"                                         \
	"01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF"

static enum hash_identity
normalised(const char *text, char out[256])
{
	size_t len = strlen(text);
	enum hash_identity result;

	memcpy(out, text, len + 1);
	result = hash_identity_normalise(out, &len);
	out[len] = '\0';
	return result;
}

Test(hash_identity, what_is_wrong_is_not_taken_for_something_else)
{
	static const char *const wrong[] = {
		"spki-sha256:",
		"spki-sha256:abc",
		"spki-sha256:" DIGITS "0",
		"spki-sha256: " DIGITS,
		"SPKI-SHA256:" DIGITS " ",
		"cert-sha256::" DIGITS,
		"cert-sha256:" COLONS ":",
		"cert-sha256:0:1" DIGITS,
		"cert-sha256:01::23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		"cert-sha256:g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	};
	static const char *const none[] = { "", "spki-sha256", "device", "spki-sha1:" DIGITS,
					    "x"
					    "spki-sha256:" DIGITS };
	char out[256];

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		cr_assert_eq(normalised(wrong[i], out), HASH_IDENTITY_WRONG, "%s", wrong[i]);
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
		cr_assert_eq(normalised(none[i], out), HASH_IDENTITY_NONE, "%s", none[i]);
		cr_assert_str_eq(out, none[i]);
	}
}

Test(hash_identity, is_kept_in_lower_case_without_colons)
{
	static const char *const cases[][2] = {
		{ "spki-sha256:" DIGITS, "spki-sha256:" DIGITS },
		{ "SPKI-sha256:" UPPER, "spki-sha256:" DIGITS },
		{ "Cert-SHA256:" COLONS, "cert-sha256:" DIGITS },
	};
	char out[256];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		cr_assert_eq(normalised(cases[i][0], out), HASH_IDENTITY_GOOD);
		cr_assert_str_eq(out, cases[i][1]);
		cr_assert(identity_is_hash(out, strlen(out)));
	}
}
