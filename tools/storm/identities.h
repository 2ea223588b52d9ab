/*
 * identities.h - private key and Certificate message of every device that shows a certificate or a
 * raw public key, and what they all hold against the server.
 *
 * Owner: the caller; read only once made, by any thread. Allocates 130 bytes a device, and its
 * certificate of some 400.
 */
#pragma once

#include "tools/storm/authority.h"
#include "tools/storm/misbehave.h"
#include "tools/storm/names.h"
#include "tools/storm/server_identity.h"
#include "tools/storm/storm_cert.h"

struct identities {
	struct identity *items;
	uint32_t n;
	uint8_t *messages; /* one behind the other */
	size_t messages_len, messages_room;
	struct authority authority;
	X509_STORE *authorities; /* the authority alone */
	const char *server_name; /* NULL: none is asked for */
};

/* What is made: for devices 0 to n - 1 of `names`. */
struct identities_wish {
	const char *folder; /* authority.h */
	const struct names *names;
	uint32_t n;
	bool raw;
	enum misbehave misbehave;
	bool progress; /* on standard error, where it takes long */
};

/* 0; -1 and a sentence. identities_fini() in both cases. */
int identities_make(struct identities *identities, const struct identities_wish *wish,
		    char error[AUTHORITY_ERROR_MAX]) __attribute__((warn_unused_result));
void identities_fini(struct identities *identities);

struct storm_cert_own identities_own(const struct identities *identities, uint32_t device);
/* For a thread of its own. */
struct server_identity identities_server(const struct identities *identities);
