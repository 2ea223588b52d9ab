/* The body of a ClientHello: whole or a first fragment, its cookie, and what we choose from it. */
#include <stdlib.h>

#include "tests/support/dtls_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ALL_ABILITIES = DTLS_OWN_CERTIFICATE | DTLS_OWN_RAW_KEY };

/* A cookie that we make for a hello is good for it. */
static void
check_cookie(const struct dtls_world *world, const struct dtls_hello *parsed, bool whole)
{
	const struct dtls_server *server = &world->server;
	struct dtls_hello hello = *parsed;
	uint8_t cookie[DTLS_COOKIE];

	if (dtls_cookie_check(&server->cookies, &world->peer, &hello, whole))
		abort(); /* a seed or luck? neither: no input knows the secret */
	dtls_cookie_make(&server->cookies, &world->peer, &hello, whole, cookie);
	hello.cookie = (struct dtls_bytes){ cookie, sizeof cookie };
	if (!dtls_cookie_check(&server->cookies, &world->peer, &hello, whole))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dtls_world world;
	struct dtls_hello hello;
	struct dtls_offer offer;

	dtls_fuzz_init(&world);
	world.random ^= 1; /* not the secrets that recorded clients met */
	dtls_server_init(&world.server, world.now_us);
	if (dtls_hello_parse_head(data, size, &hello))
		check_cookie(&world, &hello, false);
	if (!dtls_hello_parse(data, size, &hello))
		return 0;
	check_cookie(&world, &hello, true);
	for (unsigned abilities = 0; abilities < 32; abilities++) {
		if (dtls_hello_choose(&hello, abilities, &offer) != DTLS_NO_ALERT)
			continue;
		if (offer.peer_cid.len > 255 || offer.server_name.len > DTLS_SERVER_NAME_MAX)
			abort();
		if (dtls_suite_has_certificates(offer.suite) && !(abilities & ALL_ABILITIES))
			abort();
	}
	return 0;
}
