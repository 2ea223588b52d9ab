/*
 * seeds_dtls - records mbedTLS's client against the server of fuzz_dtls_handshake.
 *
 * usage: seeds_dtls FILE [mtu MTU] [ems 0|1] [frag CODE] [wrong]
 * Make the seeds anew when cookies, randoms or time change: recorded Finished messages fit one
 * server random only.
 */
#include <stdio.h>
#include <string.h>

#include "tests/support/dtls_fuzz.h"
#include "tests/support/dtls_mbedtls.h"

static void
set_option(struct mbed_client *client, const char *name, int value)
{
	if (strcmp(name, "ems") == 0)
		mbedtls_ssl_conf_extended_master_secret(&client->config, (char)value);
	if (strcmp(name, "frag") == 0)
		mbedtls_ssl_conf_max_frag_len(&client->config, (unsigned char)value);
}

int
main(int argc, char **argv)
{
	static const struct dtls_world_credential wrong = { "urn:dev:one", 11, "wrong key", 9 };
	static struct net net;
	static struct mbed_client client;
	uint16_t mtu = 0;
	int result;

	if (argc < 2)
		return 2;
	dtls_fuzz_init(&net.world);
	net.index = UINT32_MAX;
	net.record = fopen(argv[1], "wb");
	if (!net.record)
		return 1;
	mbed_init(&client, &net, argc % 2 ? &wrong : &dtls_fuzz_known[0]);
	for (int i = 2; i + 1 < argc; i += 2) {
		int value = (int)strtol(argv[i + 1], NULL, 10);

		if (strcmp(argv[i], "mtu") == 0)
			mtu = (uint16_t)value;
		set_option(&client, argv[i], value);
	}
	mbed_start(&client);
	mbedtls_ssl_set_mtu(&client.ssl, mtu);
	result = mbed_handshake(&client);
	if (result == 0) {
		mbedtls_ssl_write(&client.ssl, (const unsigned char *)"ping", 4);
		mbedtls_ssl_close_notify(&client.ssl);
		net_serve(&net);
	}
	printf("%s: -0x%04x, established %u\n", argv[1], (unsigned)-result, net.world.established);
	fclose(net.record);
	mbed_fini(&client);
	return 0;
}
