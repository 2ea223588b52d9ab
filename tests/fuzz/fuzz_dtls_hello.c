/* The body of a ClientHello: whole or a first fragment, its cookie, and what we choose from it. */
#include <stdlib.h>

#include "tests/support/dtls_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A cookie that we make for a hello is good for it. */
static void
check_cookie(const struct dtls_world *world, const struct dtls_hello *parsed, bool whole)
{
	const struct dtls_server *server = &world->server;
	struct dtls_hello hello = *parsed;
	uint8_t cookie[DTLS_COOKIE];

	if (dtls_cookie_check(&server->cookies, server->ops, &world->peer, &hello, whole))
		abort(); /* a seed or luck? neither: no input knows the secret */
	dtls_cookie_make(&server->cookies, server->ops, &world->peer, &hello, whole, cookie);
	hello.cookie = (struct dtls_bytes){ cookie, sizeof cookie };
	if (!dtls_cookie_check(&server->cookies, server->ops, &world->peer, &hello, whole))
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
	if (dtls_hello_choose(&hello, &offer) == DTLS_NO_ALERT && offer.peer_cid.len > 255)
		abort();
	return 0;
}
