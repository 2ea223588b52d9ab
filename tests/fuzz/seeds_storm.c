/*
 * seeds_storm - records the appliance's flights to the device of fuzz_storm_certificate.
 *
 * usage: seeds_storm FILE WAYS   (a digit, as in the target's first byte)
 * Make the seeds anew when what the device says or its random numbers change: the server's signature covers them.
 */
#include <stdio.h>

#include "tests/support/ec_world.h"
#include "tests/support/storm_fuzz.h"

static struct net net;
static struct ec_world helper;
static FILE *record;

static void
send(void *ctx, const uint8_t *datagram, size_t len)
{
	net_send(&net, NET_TO_SERVER, datagram, len);
}

static void
trust(void)
{
	EC_KEY *key = curve_key(storm_fuzz_server_secret);
	uint8_t *der = NULL;
	int len = i2d_ECPrivateKey(key, &der);
	struct cert cert;
	struct ec_own own = { .key = { der, (size_t)len } };
	char error[EC_ERROR_MAX];

	cert_make(&cert, &(struct cert_spec){ .cn = "bs" });
	if (ec_trust_add_own(helper.trust, &own, error) < 0)
		abort();
	own.key = (struct ec_bytes){ cert.key_der, cert.key_der_len };
	own.chain = (struct ec_bytes){ cert.der, cert.der_len };
	if (ec_trust_add_own(helper.trust, &own, error) < 0)
		abort();
	net.world.server.abilities = DTLS_OWN_CERTIFICATE | DTLS_OWN_RAW_KEY |
				     DTLS_PEER_CERTIFICATES | DTLS_PEER_RAW_KEYS;
}

int
main(int argc, char **argv)
{
	struct storm_fuzz fuzz = { .send = send };
	uint8_t datagram[DTLS_WORLD_DATAGRAM];
	int ways = argc > 2 ? argv[2][0] - '0' : 0;
	size_t len;

	record = argc > 2 ? fopen(argv[1], "wb") : NULL;
	if (!record)
		return 2;
	fputc(ways, record);
	net.index = UINT32_MAX;
	dtls_world_init(&net.world, crypto_select(), NULL, 0);
	ec_world_init(&helper, &net);
	trust();
	helper.has_pinned = true;
	storm_fuzz_begin(&fuzz, ways & 1, ways & 2);
	SHA256(fuzz.message + 3, CURVE_SPKI, helper.pinned);
	do {
		net_serve(&net);
		while ((len = net_get(&net.to_client, datagram, sizeof datagram)) != 0) {
			fputc((int)(len >> 8), record);
			fputc((int)(len & 255), record);
			fwrite(datagram, 1, len, record);
			storm_fuzz_take(&fuzz, datagram, len);
		}
	} while (net.to_server.head != net.to_server.tail);
	printf("%s: over %d, keyed %d\n", argv[1], fuzz.is_over, storm_dtls_is_keyed(&fuzz.dtls));
	storm_fuzz_end(&fuzz);
	return fclose(record);
}
