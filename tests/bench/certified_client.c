#include "tests/bench/certified_client.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>

#include "tools/storm/random.h"

enum { DATAGRAM = 1400 };

static void
fill(void *ctx, uint8_t *bytes, size_t len)
{
	random_fill((uint64_t *)ctx, bytes, len);
}

static void
must(bool good)
{
	if (!good)
		abort();
}

static void
put_u24(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 16);
	at[1] = (uint8_t)(value >> 8);
	at[2] = (uint8_t)value;
}

static void
set_identity(struct certified_client *client, const struct cert *device)
{
	BIGNUM *secret = NULL;
	EC_KEY *key;

	must(EVP_PKEY_get_bn_param(device->key, OSSL_PKEY_PARAM_PRIV_KEY, &secret) == 1);
	must(BN_bn2binpad(secret, client->secret, CURVE_SECRET) == CURVE_SECRET);
	BN_clear_free(secret);
	put_u24(client->certificate, device->der_len + 3);
	put_u24(client->certificate + 3, device->der_len);
	memcpy(client->certificate + 6, device->der, device->der_len);
	client->certificate_len = device->der_len + 6;
	key = curve_key(client->secret);
	put_u24(client->raw_key, CURVE_SPKI);
	must(key && curve_put_spki(key, client->raw_key + 3));
	EC_KEY_free(key);
}

void
certified_client_init(struct certified_client *client, struct net *net, const struct cert *device,
		      const struct cert *root, const struct cert *server)
{
	memset(client, 0, sizeof *client);
	client->net = net;
	client->random = 7;
	client->env = (struct storm_dtls_env){ crypto_select(), &client->counters };
	client->server.authorities = X509_STORE_new();
	must(X509_STORE_add_cert(client->server.authorities, root->x509) == 1);
	client->server.raw_key = EVP_PKEY_get1_EC_KEY(server->key);
	set_identity(client, device);
}

void
certified_client_fini(struct certified_client *client)
{
	storm_cert_free(storm_dtls_part_with_cert(&client->dtls));
	X509_STORE_free(client->server.authorities);
	EC_KEY_free(client->server.raw_key);
	server_identity_fini(&client->server);
}

static struct storm_cert *
new_cert(struct certified_client *client, enum certified_by by)
{
	const bool raw = by == CERTIFIED_BY_RAW_KEY;
	const struct storm_cert_ways ways = { .raw = raw };
	const struct storm_cert_own own = { client->secret,
					    raw ? client->raw_key : client->certificate,
					    raw ? sizeof client->raw_key
						: (uint32_t)client->certificate_len };
	struct storm_cert *cert = storm_cert_new(&ways, &own, &client->server);

	must(cert != NULL);
	return cert;
}

static void
send_hello(struct certified_client *client)
{
	uint8_t datagram[DATAGRAM];
	struct writer out = writer_init(datagram, sizeof datagram);

	storm_dtls_write_hello(&client->dtls, &client->env, &out);
	net_send(client->net, NET_TO_SERVER, datagram, writer_finish(&out));
}

static void
send_flight(struct certified_client *client)
{
	const struct storm_cert_cut cut = { .fragment_max = DATAGRAM };
	size_t parts[STORM_FLIGHT_PARTS];
	bool more = true;

	while (more) {
		uint8_t datagram[DATAGRAM];
		struct writer out = writer_init(datagram, sizeof datagram);

		if (client->dtls.cert) {
			more = storm_dtls_write_last_part(&client->dtls, &client->env, &cut, &out);
		} else {
			storm_dtls_write_last(&client->dtls, &client->env, &client->who, &out,
					      parts);
			more = false;
		}
		net_send(client->net, NET_TO_SERVER, datagram, writer_finish(&out));
	}
}

static void
take(struct certified_client *client, enum storm_dtls_event event)
{
	if (event == STORM_DTLS_VERIFY)
		send_hello(client);
	if (event == STORM_DTLS_ASKED) {
		storm_cert_compute(client->dtls.cert);
		event = storm_dtls_take_computed(&client->dtls);
	}
	if (event == STORM_DTLS_GREETED)
		send_flight(client);
}

void
certified_client_begin(struct certified_client *client, enum certified_by by)
{
	const struct rng rng = { fill, &client->random };

	storm_cert_free(storm_dtls_part_with_cert(&client->dtls));
	storm_dtls_start(&client->dtls, &rng, false,
			 by == CERTIFIED_BY_KEY ? NULL : new_cert(client, by));
	send_hello(client);
}

bool
certified_client_turn(struct certified_client *client)
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM];
	size_t len;

	while ((len = net_get(&client->net->to_client, datagram, sizeof datagram)) != 0) {
		struct dtls_walk walk = { datagram, datagram + len };
		struct storm_dtls_taken taken;

		while (storm_dtls_take(&client->dtls, &client->env, &client->who, &walk, &taken))
			take(client, taken.event);
	}
	return storm_dtls_is_keyed(&client->dtls);
}
