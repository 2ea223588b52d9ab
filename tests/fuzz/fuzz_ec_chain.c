/*
 * A device's chain of certificates, followed to an authority: a verdict that there is, a name that fits, and the same again.
 * Input: a byte of what is so (enum is), then files and certificates, each behind its length of 2 bytes: authorities,
 * revocation lists (empty: none), and the chain, the device's own first. Seeds: seeds_ec_chain.py.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "dataplane/core/cursor.h"
#include "dataplane/ec/ec_chain.h"
#include "tasks/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum is {
	IS_PINNED = 1,
	IS_DENIED = 2, /* by its certificate */
	IS_NAMED = 4,  /* by the first of what names it may have; else by its common name */
	IS_GRACED = 8, /* it may have expired a month ago */
	IS_LONG = 16,  /* the name is longer than there is room */
};
enum { NOW_S = 1800000000, MONTH_S = 30 * 86400, TAG = 7 };

static void
check_text(const char *text)
{
	if (strlen(text) > EC_NAME_MAX || !utf8_valid(text, strlen(text)))
		abort();
}

static void
check_subject(const struct ec_subject *subject)
{
	if (subject->n_uris > EC_SAN_MAX || subject->n_dns > EC_SAN_MAX)
		abort();
	check_text(subject->cn);
	check_text(subject->serial_number);
	check_text(subject->serial);
	for (unsigned i = 0; i < subject->n_uris; i++)
		check_text(subject->uris[i]);
	for (unsigned i = 0; i < subject->n_dns; i++)
		check_text(subject->dns[i]);
}

static size_t
name_it(void *ctx, uint8_t tag, const struct ec_subject *subject, char *name, size_t size)
{
	const uint8_t *is = ctx;
	const char *from = subject->n_uris  ? subject->uris[0]
			   : subject->n_dns ? subject->dns[0]
					    : subject->serial_number;

	check_subject(subject);
	memcpy(name, from, strlen(from) <= size ? strlen(from) : size);
	return *is & IS_LONG ? size + 1 : strlen(from);
}

static void
described(void *ctx, uint8_t anchor, const struct ec_subject *subject)
{
	unsigned *times = ctx;

	if (anchor != TAG || ++*times > 1)
		abort();
	check_subject(subject);
}

static struct dtls_bytes
take(struct reader *reader)
{
	size_t len = reader_u16(reader), left = reader_left(reader);
	struct dtls_bytes bytes = { .len = len < left ? len : left };

	bytes.at = reader_bytes(reader, bytes.len);
	return bytes;
}

static struct ec_trust *
make_trust(struct reader *reader, uint8_t *is)
{
	struct ec_trust *trust = ec_trust_new();
	struct dtls_bytes anchors = take(reader), lists = take(reader);
	char error[EC_ERROR_MAX] = "";

	if (!trust)
		abort();
	if (ec_trust_add_anchor(trust, (struct ec_bytes){ anchors.at, anchors.len }, TAG, error) &&
	    !*error)
		abort();
	*error = '\0';
	if (lists.len && ec_trust_add_crl(trust, (struct ec_bytes){ lists.at, lists.len }, error) &&
	    !*error)
		abort();
	if (*is & IS_NAMED)
		ec_trust_set_naming(trust, name_it, is, NULL);
	if (*is & IS_GRACED)
		ec_trust_set_grace(trust, MONTH_S);
	return trust;
}

static void
verify(const struct ec_trust *trust, const struct dtls_chain *chain, bool pinned)
{
	struct ec_leaf leaf, again;
	enum ec_verdict verdict = ec_chain_verify(trust, chain, pinned, NOW_S, &leaf);

	if (verdict >= EC_VERDICTS ||
	    ec_chain_verify(trust, chain, pinned, NOW_S, &again) != verdict)
		abort();
	if (leaf.name_len != again.name_len || memcmp(leaf.name, again.name, leaf.name_len) != 0)
		abort();
	if (verdict == EC_GOOD && !pinned && (!leaf.name_len || leaf.anchor != TAG))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader reader = reader_init(data, size);
	uint8_t is = reader_u8(&reader), hash[SHA256_DIGEST_LENGTH];
	struct ec_trust *trust = make_trust(&reader, &is);
	struct dtls_chain chain = { 0 };
	unsigned times = 0;

	while (reader_left(&reader) && chain.n < DTLS_CHAIN_MAX)
		chain.certificates[chain.n++] = take(&reader);
	if (chain.n && is & IS_DENIED) {
		SHA256(chain.certificates[0].at, chain.certificates[0].len, hash);
		if (ec_trust_deny(trust, hash) < 0)
			abort();
	}
	if (chain.n) {
		verify(trust, &chain, is & IS_PINNED);
		ec_chain_describe(&chain.certificates[0], TAG, described, &times);
	}
	ec_trust_release(trust);
	return 0;
}
