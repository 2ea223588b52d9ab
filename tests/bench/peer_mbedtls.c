/*
 * peer_mbedtls - a CoAP server on mbedTLS for tools/bench --peers: it shakes hands, answers every request
 * 4.04, and nothing else. One client at a time: a datagram from another address ends the one before.
 *
 * usage: peer_mbedtls ADDRESS PORT psk IDENTITY KEY
 *        peer_mbedtls ADDRESS PORT x509 CA.pem CHAIN.pem KEY.pem
 *
 * Until it is ended by a signal. Debian has mbedTLS's library, none of its programs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_cookie.h>
#include <mbedtls/timing.h>

enum { DATAGRAM = 1500, COAP_HEADER = 4, COAP_ACK_404_TYPE = 0x60, COAP_404 = 0x84 };

static struct {
	int socket;
	struct sockaddr_in client;
	unsigned char datagram[DATAGRAM]; /* read already, not yet taken */
	size_t datagram_len;
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config config;
	mbedtls_ssl_cookie_ctx cookies;
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
	mbedtls_timing_delay_context timer;
	mbedtls_x509_crt chain, trusted;
	mbedtls_pk_context key;
} peer;

static void
must(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "peer_mbedtls: %s failed\n", what);
	exit(1);
}

static int
send_datagram(void *ctx, const unsigned char *bytes, size_t len)
{
	ssize_t sent = sendto(peer.socket, bytes, len, 0, (struct sockaddr *)&peer.client,
			      sizeof peer.client);

	return sent < 0 ? MBEDTLS_ERR_SSL_WANT_WRITE : (int)sent;
}

static int
take_datagram(void *ctx, unsigned char *bytes, size_t size)
{
	size_t len = peer.datagram_len < size ? peer.datagram_len : size;

	if (!len)
		return MBEDTLS_ERR_SSL_WANT_READ;
	memcpy(bytes, peer.datagram, len);
	peer.datagram_len = 0;
	return (int)len;
}

static void
begin(void)
{
	must(mbedtls_ssl_session_reset(&peer.ssl) == 0 &&
		     mbedtls_ssl_set_client_transport_id(&peer.ssl,
							 (unsigned char *)&peer.client.sin_port,
							 sizeof peer.client.sin_port) == 0,
	     "a new session");
}

/* The request's header and token come back, with 4.04 (RFC 7252 3, 5.2.1). */
static void
answer(void)
{
	unsigned char message[DATAGRAM];
	int len = mbedtls_ssl_read(&peer.ssl, message, sizeof message);
	size_t token = len >= COAP_HEADER ? message[0] & 15u : 0;

	if (len < COAP_HEADER || (size_t)len < COAP_HEADER + token)
		return;
	message[0] = (unsigned char)(COAP_ACK_404_TYPE | token);
	message[1] = COAP_404;
	(void)mbedtls_ssl_write(&peer.ssl, message, COAP_HEADER + token);
}

static void
serve_datagram(void)
{
	int result;

	if (peer.ssl.state == MBEDTLS_SSL_HANDSHAKE_OVER) {
		answer();
		return;
	}
	result = mbedtls_ssl_handshake(&peer.ssl);
	if (result == 0 || result == MBEDTLS_ERR_SSL_WANT_READ)
		return;
	begin(); /* the cookie was not there yet, or the client is gone */
}

static void
serve(void)
{
	for (;;) {
		struct sockaddr_in from;
		socklen_t from_len = sizeof from;
		ssize_t len = recvfrom(peer.socket, peer.datagram, sizeof peer.datagram, 0,
				       (struct sockaddr *)&from, &from_len);

		must(len >= 0, "recvfrom");
		if (memcmp(&from.sin_addr, &peer.client.sin_addr, sizeof from.sin_addr) != 0 ||
		    from.sin_port != peer.client.sin_port) {
			peer.client = from;
			begin();
		}
		peer.datagram_len = (size_t)len;
		serve_datagram();
	}
}

/* ---- setting up ---- */

static void
set_psk(char **argv)
{
	static int suites[] = { MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, 0 };

	mbedtls_ssl_conf_ciphersuites(&peer.config, suites);
	must(mbedtls_ssl_conf_psk(&peer.config, (unsigned char *)argv[1], strlen(argv[1]),
				  (unsigned char *)argv[0], strlen(argv[0])) == 0,
	     "the key");
}

static void
set_certificates(char **argv)
{
	static int suites[] = { MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, 0 };

	mbedtls_x509_crt_init(&peer.chain);
	mbedtls_x509_crt_init(&peer.trusted);
	mbedtls_pk_init(&peer.key);
	must(mbedtls_x509_crt_parse_file(&peer.trusted, argv[0]) == 0 &&
		     mbedtls_x509_crt_parse_file(&peer.chain, argv[1]) == 0 &&
		     mbedtls_pk_parse_keyfile(&peer.key, argv[2], NULL) == 0 &&
		     mbedtls_ssl_conf_own_cert(&peer.config, &peer.chain, &peer.key) == 0,
	     "reading certificates");
	mbedtls_ssl_conf_ciphersuites(&peer.config, suites);
	mbedtls_ssl_conf_ca_chain(&peer.config, &peer.trusted, NULL);
	mbedtls_ssl_conf_authmode(&peer.config, MBEDTLS_SSL_VERIFY_REQUIRED);
}

static void
init(void)
{
	mbedtls_ssl_init(&peer.ssl);
	mbedtls_ssl_config_init(&peer.config);
	mbedtls_ssl_cookie_init(&peer.cookies);
	mbedtls_entropy_init(&peer.entropy);
	mbedtls_ctr_drbg_init(&peer.random);
	must(mbedtls_ctr_drbg_seed(&peer.random, mbedtls_entropy_func, &peer.entropy, NULL, 0) ==
			     0 &&
		     mbedtls_ssl_config_defaults(&peer.config, MBEDTLS_SSL_IS_SERVER,
						 MBEDTLS_SSL_TRANSPORT_DATAGRAM,
						 MBEDTLS_SSL_PRESET_DEFAULT) == 0 &&
		     mbedtls_ssl_cookie_setup(&peer.cookies, mbedtls_ctr_drbg_random,
					      &peer.random) == 0,
	     "mbedTLS");
	mbedtls_ssl_conf_rng(&peer.config, mbedtls_ctr_drbg_random, &peer.random);
	mbedtls_ssl_conf_dtls_cookies(&peer.config, mbedtls_ssl_cookie_write,
				      mbedtls_ssl_cookie_check, &peer.cookies);
}

static void
listen_on(const char *address, const char *port)
{
	struct sockaddr_in local = { .sin_family = AF_INET };

	local.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	must(inet_pton(AF_INET, address, &local.sin_addr) == 1, "the address");
	peer.socket = socket(AF_INET, SOCK_DGRAM, 0);
	must(peer.socket >= 0 && bind(peer.socket, (struct sockaddr *)&local, sizeof local) == 0,
	     "bind");
}

int
main(int argc, char **argv)
{
	if (!(argc == 6 && strcmp(argv[3], "psk") == 0) &&
	    !(argc == 7 && strcmp(argv[3], "x509") == 0)) {
		fprintf(stderr, "usage: peer_mbedtls ADDRESS PORT psk IDENTITY KEY\n"
				"       peer_mbedtls ADDRESS PORT x509 CA.pem CHAIN.pem KEY.pem\n");
		return 2;
	}
	init();
	if (argc == 6)
		set_psk(argv + 4);
	else
		set_certificates(argv + 4);
	must(mbedtls_ssl_setup(&peer.ssl, &peer.config) == 0, "mbedTLS");
	mbedtls_ssl_set_bio(&peer.ssl, NULL, send_datagram, take_datagram, NULL);
	mbedtls_ssl_set_timer_cb(&peer.ssl, &peer.timer, mbedtls_timing_set_delay,
				 mbedtls_timing_get_delay);
	listen_on(argv[1], argv[2]);
	serve();
}
