/*
 * ec_check.h - what a handshake would make of a device's certificate, for an operator who asks: the
 * same decisions, without the device.
 *
 * Any thread. Allocates, in libcrypto.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/core/dtls/ec_job.h"
#include "dataplane/ec/ec_trust.h"

enum { EC_CHECK_TEXT_MAX = 256 };

struct ec_checked {
	enum ec_verdict verdict; /* but for what only a handshake shows: who has the key */
	uint8_t anchor;          /* 0: none was found */
	uint8_t name_len;
	char name[EC_NAME_MAX]; /* of the endpoint, as far as known */
	int64_t ends;           /* seconds since 1970 */
	char subject[EC_CHECK_TEXT_MAX], issuer[EC_CHECK_TEXT_MAX];
};

/*
 * `file`: a certificate in PEM or DER, and behind it in PEM what the device sends with it.
 * `is_pinned`: inventory knows the certificate. `described`, if not NULL, gets what the certificate
 * says. 0, or -1 and a sentence: the file is none.
 */
struct ec_check_ask {
	struct ec_bytes file;
	bool is_pinned;
	int64_t wall_s;
	void (*described)(void *ctx, uint8_t anchor, const struct ec_subject *subject);
	void *ctx;
};
int ec_check(const struct ec_trust *trust, const struct ec_check_ask *ask,
	     struct ec_checked *checked, char error[EC_ERROR_MAX]);
