/* Messages of certificate handshakes: the first byte says which, the rest is the body. What can be
 * read must come back as it was when it is written again. */
#include <stdlib.h>

#include "dataplane/core/dtls/dtls_certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(const struct writer *out, const uint8_t *body, size_t len)
{
	if (writer_finish(out) != len || memcmp(out->start, body, len) != 0)
		abort();
}

static void
try_certificate(const uint8_t *body, size_t len, uint8_t type)
{
	static uint8_t room[1 << 16];
	struct writer out = writer_init(room, sizeof room);
	struct dtls_chain chain;

	if (len > sizeof room || !dtls_certificate_parse(body, len, type, &chain))
		return;
	dtls_certificate_write(&out, type, &chain);
	expect(&out, body, len);
	if (chain.n)
		(void)dtls_spki_point(chain.certificates[0].at, chain.certificates[0].len);
}

static void
try_server_key_exchange(const uint8_t *body, size_t len)
{
	uint8_t room[256];
	struct writer out = writer_init(room, sizeof room);
	struct dtls_bytes signature;
	const uint8_t *point;

	if (!dtls_server_key_exchange_parse(body, len, &point, &signature))
		return;
	dtls_server_key_exchange_write(&out, point, &signature);
	expect(&out, body, len);
}

static void
try_client_messages(const uint8_t *body, size_t len)
{
	uint8_t room[256];
	struct writer out = writer_init(room, sizeof room);
	const uint8_t *point = dtls_client_key_exchange_parse(body, len);
	struct dtls_bytes signature;

	if (point) {
		dtls_client_key_exchange_write(&out, point);
		expect(&out, body, len);
	}
	out = writer_init(room, sizeof room);
	if (dtls_certificate_verify_parse(body, len, &signature)) {
		dtls_certificate_verify_write(&out, &signature);
		expect(&out, body, len);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	switch (data[0] % 5) {
	case 0:
		try_certificate(data + 1, size - 1, DTLS_X509);
		break;
	case 1:
		try_certificate(data + 1, size - 1, DTLS_RAW_PUBLIC_KEY);
		break;
	case 2:
		try_server_key_exchange(data + 1, size - 1);
		break;
	case 3:
		try_client_messages(data + 1, size - 1);
		break;
	case 4:
		(void)dtls_certificate_request_parse(data + 1, size - 1);
		break;
	}
	return 0;
}
