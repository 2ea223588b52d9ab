/*
 * certified_stack.h - a whole stack and clients with one raw public key, of one device, which the inventory
 * has: for tests of what becomes of jobs of elliptic curves. Who does the jobs is the test's to say.
 *
 * Raw keys, as nothing of them is ever too old for the machine's clock.
 */
#pragma once

#include "dataplane/core/sessions/association.h"
#include "dataplane/ec/ec_trust.h"
#include "tests/support/dtls_cert_client.h"
#include "tests/unit/stack_world.h"

enum { CERTIFIED_LISTENER = 1, CERTIFIED_FIRST_PORT = 4000, CERTIFIED_DEVICE = 1000 };

struct certified_stack {
	struct world *world;
	struct ec_trust *trust;
	struct cert device, own;
	struct cert_client *clients;
	unsigned n_clients;
};

static inline void
certified_pin(struct certified_stack *stack)
{
	uint8_t spki[DTLS_SPKI], point[DTLS_POINT], digest[DTLS_HASH];
	char identity[IDENTITY_HASH_LEN + 1] = IDENTITY_RAW_KEY;
	struct writer out = writer_init(spki, sizeof spki);
	struct directory_retired retired;
	struct device_entry *entry, *old;

	cert_client_point(EVP_PKEY_get0_EC_KEY(stack->device.key), point);
	dtls_spki_write(&out, point);
	crypto_sha256(crypto_select(), spki, sizeof spki, digest);
	for (unsigned i = 0; i < DTLS_HASH; i++)
		snprintf(identity + IDENTITY_HASH_PREFIX + 2 * i, 3, "%02x", digest[i]);
	entry = device_entry_new(CERTIFIED_DEVICE, "dev", 3, identity, IDENTITY_HASH_LEN, NULL, 0);
	if (directory_put(stack->world->directory, entry, &old, &retired) != 0)
		abort();
	stack->world->entries[stack->world->n_entries++] = entry;
}

/* `client` anew, with a random number that it had not before. */
static inline void
certified_begin(struct certified_stack *stack, unsigned client)
{
	static unsigned begun;

	cert_client_init(&stack->clients[client], &stack->device, true);
	memcpy(stack->clients[client].dtls.random, &begun, sizeof begun);
	begun++;
}

static inline void
certified_init(struct certified_stack *stack, const struct world_options *options, unsigned clients)
{
	struct ec_own own = { 0 };
	char error[EC_ERROR_MAX];

	memset(stack, 0, sizeof *stack);
	cert_make(&stack->own, &(struct cert_spec){ .cn = "us" });
	cert_make_device(&stack->device, "dev", NULL);
	stack->trust = ec_trust_new();
	own.key = (struct ec_bytes){ stack->own.key_der, stack->own.key_der_len };
	if (ec_trust_add_own(stack->trust, &own, error) < 0)
		abort();
	stack->world = world_new_options(clients, options);
	stack->world->limits.abilities = ec_trust_abilities(stack->trust);
	certified_pin(stack);
	stack->clients = calloc(clients, sizeof *stack->clients);
	stack->n_clients = clients;
	for (unsigned i = 0; i < clients; i++)
		certified_begin(stack, i);
}

static inline void
certified_fini(struct certified_stack *stack)
{
	world_free(stack->world);
	ec_trust_release(stack->trust);
	cert_free(&stack->own);
	cert_free(&stack->device);
	free(stack->clients);
}

/* What the stack sent reaches its clients. */
static inline void
certified_deliver(struct certified_stack *stack)
{
	struct world *world = stack->world;

	for (unsigned i = 0; i < world->out.used; i++)
		cert_client_take(&stack->clients[world->slots[i].peer.port - CERTIFIED_FIRST_PORT],
				 world->slots[i].data, world->slots[i].len);
	world_clear(world);
}

static inline void
certified_send(struct certified_stack *stack, unsigned client, const uint8_t *datagram, size_t len)
{
	struct peer peer = world_peer((uint16_t)(CERTIFIED_FIRST_PORT + client));

	peer.listener = CERTIFIED_LISTENER;
	world_feed_at(stack->world, peer, datagram, len);
	certified_deliver(stack);
}

/* Both hellos; returns the length of the second one, which stays in `hello`. */
static inline size_t
certified_hello(struct certified_stack *stack, unsigned client, uint8_t hello[DTLS_WORLD_DATAGRAM])
{
	struct test_client *dtls = &stack->clients[client].dtls;
	size_t len = client_hello(dtls, hello);

	certified_send(stack, client, hello, len);
	len = client_hello(dtls, hello);
	certified_send(stack, client, hello, len);
	return len;
}

/* Certificate, ClientKeyExchange and CertificateVerify; with `finished` all that follows as well. */
static inline void
certified_flight(struct certified_stack *stack, unsigned client, bool finished)
{
	struct cert_client *from = &stack->clients[client];
	uint8_t datagram[DTLS_WORLD_DATAGRAM];

	for (unsigned i = 0; i < CERT_FLIGHT; i++)
		certified_send(stack, client, datagram, cert_client_part(from, i, 0, 0, datagram));
	if (!finished)
		return;
	certified_send(stack, client, datagram, client_change_cipher_spec(&from->dtls, datagram));
	certified_send(stack, client, datagram, client_finished(&from->dtls, datagram));
}

static inline void
certified_answer(struct certified_stack *stack, struct ec_job *job)
{
	world_clear(stack->world);
	stack_ec(stack->world->stack, stack->world->now, job, &stack->world->out);
	certified_deliver(stack);
}

/* Places of the pool that the next handshake may have. */
static inline unsigned
certified_free_places(const struct certified_stack *stack)
{
	const struct secured *secured = stack->world->stack->secured;
	unsigned n = 0;

	for (uint32_t i = secured->free_ec; i; i = secured->ecs[i - 1].next_free)
		n++;
	return n;
}
