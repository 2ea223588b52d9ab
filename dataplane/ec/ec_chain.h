/*
 * ec_chain.h - a device's certificate: read, followed to an anchor, and named.
 *
 * Threads: any, several at a time. Allocation: libcrypto's.
 */
#pragma once

#include <stdint.h>

#include "dataplane/core/dtls/dtls_certificate.h"
#include "dataplane/core/dtls/ec_job.h"
#include "dataplane/ec/ec_trust.h"

/* What is known of a certificate once its chain was verified. */
struct ec_leaf {
	uint8_t point[EC_POINT_LEN];
	uint8_t anchor;
	uint8_t name_len;
	char name[EC_NAME_MAX];
	int64_t ends; /* seconds since 1970, without grace */
};

/*
 * The cheap refusals come first: shape, deny list, issuer, dates; only then signatures are
 * verified. *leaf is filled as far as it was read: its name also where the verdict is bad.
 * `is_pinned`: inventory knows the certificate, so it needs no issuer.
 */
enum ec_verdict ec_chain_verify(const struct ec_trust *trust, const struct dtls_chain *chain,
				bool is_pinned, int64_t wall_s, struct ec_leaf *leaf);

/* Hands on what the certificate says, which dies with the call; nothing where it cannot be read. */
void ec_chain_describe(const struct dtls_bytes *der, uint8_t anchor,
		       void (*described)(void *ctx, uint8_t anchor,
					 const struct ec_subject *subject),
		       void *ctx);
