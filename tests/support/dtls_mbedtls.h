/*
 * dtls_mbedtls.h - mbedTLS's DTLS client on a simulated network: a peer that is not ours.
 */
#pragma once

#include <mbedtls/ssl.h>

#include "tests/support/dtls_net.h"

struct mbed_client {
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config config;
	struct net *net;
	uint64_t timer_start_us;
	uint32_t intermediate_ms, final_ms;
	int suites[3];
};

static inline int
mbed_random(void *ctx, unsigned char *bytes, size_t len)
{
	static uint32_t state = 12345;

	for (size_t i = 0; i < len; i++) {
		state = state * 1103515245 + 12345;
		bytes[i] = (unsigned char)(state >> 16);
	}
	return 0;
}

static inline int
mbed_send(void *ctx, const unsigned char *data, size_t len)
{
	struct mbed_client *client = ctx;

	net_send(client->net, NET_TO_SERVER, data, len);
	return (int)len;
}

static inline int
mbed_receive(void *ctx, unsigned char *data, size_t size)
{
	struct mbed_client *client = ctx;
	size_t len = net_get(&client->net->to_client, data, size);

	return len ? (int)len : MBEDTLS_ERR_SSL_WANT_READ;
}

static inline void
mbed_set_timer(void *ctx, uint32_t intermediate_ms, uint32_t final_ms)
{
	struct mbed_client *client = ctx;

	client->timer_start_us = client->net->world.now_us;
	client->intermediate_ms = intermediate_ms;
	client->final_ms = final_ms;
}

static inline int
mbed_get_timer(void *ctx)
{
	struct mbed_client *client = ctx;
	uint64_t passed_ms = (client->net->world.now_us - client->timer_start_us) / 1000;

	if (client->final_ms == 0)
		return -1;
	if (passed_ms >= client->final_ms)
		return 2;
	return passed_ms >= client->intermediate_ms;
}

static inline void
mbed_init(struct mbed_client *client, struct net *net,
	  const struct dtls_world_credential *credential)
{
	memset(client, 0, sizeof *client);
	client->net = net;
	mbedtls_ssl_init(&client->ssl);
	mbedtls_ssl_config_init(&client->config);
	if (mbedtls_ssl_config_defaults(&client->config, MBEDTLS_SSL_IS_CLIENT,
					MBEDTLS_SSL_TRANSPORT_DATAGRAM, MBEDTLS_SSL_PRESET_DEFAULT))
		abort();
	client->suites[0] = MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8;
	mbedtls_ssl_conf_ciphersuites(&client->config, client->suites);
	mbedtls_ssl_conf_rng(&client->config, mbed_random, NULL);
	if (mbedtls_ssl_conf_psk(&client->config, credential->key, credential->key_len,
				 credential->identity, credential->identity_len))
		abort();
	mbedtls_ssl_conf_handshake_timeout(&client->config, 1000, 60000);
}

/* After what a test changes in client->config. */
static inline void
mbed_start(struct mbed_client *client)
{
	if (mbedtls_ssl_setup(&client->ssl, &client->config))
		abort();
	mbedtls_ssl_set_bio(&client->ssl, client, mbed_send, mbed_receive, NULL);
	mbedtls_ssl_set_timer_cb(&client->ssl, client, mbed_set_timer, mbed_get_timer);
}

static inline void
mbed_fini(struct mbed_client *client)
{
	mbedtls_ssl_free(&client->ssl);
	mbedtls_ssl_config_free(&client->config);
}

/* 0: both sides say finished; else mbedTLS's error, MBEDTLS_ERR_SSL_TIMEOUT after 200 simulated
 * seconds. */
static inline int
mbed_handshake(struct mbed_client *client)
{
	uint64_t end_us = client->net->world.now_us + 200 * 1000000ull;

	while (client->net->world.now_us < end_us) {
		int result = mbedtls_ssl_handshake(&client->ssl);

		if (result != MBEDTLS_ERR_SSL_WANT_READ && result != MBEDTLS_ERR_SSL_WANT_WRITE)
			return result;
		net_serve(client->net);
		if (client->net->to_client.head == client->net->to_client.tail)
			net_advance(client->net, 250000);
	}
	return MBEDTLS_ERR_SSL_TIMEOUT;
}
