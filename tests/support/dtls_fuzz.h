/*
 * dtls_fuzz.h - the server that the handshake fuzz target and the maker of its seeds agree on:
 * recorded clients of this server replay to the end, for its time and randomness are injected.
 */
#pragma once

#include "tests/support/dtls_world.h"

static const struct dtls_world_credential dtls_fuzz_known[] = {
	{ "urn:dev:one", 11, "0123456789abcdef", 16 },
	{ "urn:dev:two", 11, "0123456789abcdef0123456789abcdef", 32 },
};

static inline void
dtls_fuzz_init(struct dtls_world *world)
{
	dtls_world_init(world, crypto_select(), dtls_fuzz_known, 2);
	world->echo = true;
}
