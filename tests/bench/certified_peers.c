#include "tests/bench/certified_peers.h"

#include <stdlib.h>
#include <string.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_cookie.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>

enum { MTU = 1400 };

static void
must(bool good)
{
	if (!good)
		abort();
}

/* ---- mbedTLS ---- */

static struct {
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config config;
	mbedtls_ssl_cookie_ctx cookies;
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
	mbedtls_x509_crt chain, trusted;
	mbedtls_pk_context key;
	struct net *net;
	uint32_t timer;
} mbed;

static int
mbed_send(void *ctx, const unsigned char *data, size_t len)
{
	net_put(&mbed.net->to_client, data, len);
	return (int)len;
}

static int
mbed_receive(void *ctx, unsigned char *data, size_t size)
{
	size_t len = net_get(&mbed.net->to_server, data, size);

	return len ? (int)len : MBEDTLS_ERR_SSL_WANT_READ;
}

static void
mbed_set_timer(void *ctx, uint32_t intermediate_ms, uint32_t final_ms)
{
	mbed.timer = final_ms;
}

static int
mbed_get_timer(void *ctx)
{
	return mbed.timer ? 0 : -1;
}

static void
mbed_read_certificates(const struct cert *root, const struct cert *server)
{
	mbedtls_x509_crt_init(&mbed.chain);
	mbedtls_x509_crt_init(&mbed.trusted);
	mbedtls_pk_init(&mbed.key);
	must(mbedtls_x509_crt_parse_der(&mbed.chain, server->der, server->der_len) == 0 &&
	     mbedtls_x509_crt_parse_der(&mbed.trusted, root->der, root->der_len) == 0 &&
	     mbedtls_pk_parse_key(&mbed.key, server->key_der, server->key_der_len, NULL, 0) == 0);
}

void
mbedtls_peer_init(const struct cert *root, const struct cert *server)
{
	static int suites[] = { MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, 0 };

	mbed_read_certificates(root, server);
	mbedtls_ssl_init(&mbed.ssl);
	mbedtls_ssl_config_init(&mbed.config);
	mbedtls_ssl_cookie_init(&mbed.cookies);
	mbedtls_entropy_init(&mbed.entropy);
	mbedtls_ctr_drbg_init(&mbed.random);
	must(mbedtls_ctr_drbg_seed(&mbed.random, mbedtls_entropy_func, &mbed.entropy, NULL, 0) ==
		     0 &&
	     mbedtls_ssl_config_defaults(&mbed.config, MBEDTLS_SSL_IS_SERVER,
					 MBEDTLS_SSL_TRANSPORT_DATAGRAM,
					 MBEDTLS_SSL_PRESET_DEFAULT) == 0 &&
	     mbedtls_ssl_cookie_setup(&mbed.cookies, mbedtls_ctr_drbg_random, &mbed.random) == 0 &&
	     mbedtls_ssl_conf_own_cert(&mbed.config, &mbed.chain, &mbed.key) == 0);
	mbedtls_ssl_conf_ciphersuites(&mbed.config, suites);
	mbedtls_ssl_conf_rng(&mbed.config, mbedtls_ctr_drbg_random, &mbed.random);
	mbedtls_ssl_conf_ca_chain(&mbed.config, &mbed.trusted, NULL);
	mbedtls_ssl_conf_authmode(&mbed.config, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_dtls_cookies(&mbed.config, mbedtls_ssl_cookie_write,
				      mbedtls_ssl_cookie_check, &mbed.cookies);
	must(mbedtls_ssl_setup(&mbed.ssl, &mbed.config) == 0);
	mbedtls_ssl_set_bio(&mbed.ssl, NULL, mbed_send, mbed_receive, NULL);
	mbedtls_ssl_set_timer_cb(&mbed.ssl, NULL, mbed_set_timer, mbed_get_timer);
}

static void
mbed_reset(void)
{
	must(mbedtls_ssl_session_reset(&mbed.ssl) == 0 &&
	     mbedtls_ssl_set_client_transport_id(&mbed.ssl, (const unsigned char *)"peer", 4) == 0);
}

void
mbedtls_peer_serve(void *ctx)
{
	struct certified_peer *peer = ctx;
	double start = peer->now_us();
	int result;

	mbed.net = peer->net;
	if (!peer->begun)
		mbed_reset();
	peer->begun = true;
	result = mbedtls_ssl_handshake(&mbed.ssl);
	if (result == MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED) {
		mbed_reset();
		result = MBEDTLS_ERR_SSL_WANT_READ;
	}
	must(result == 0 || result == MBEDTLS_ERR_SSL_WANT_READ);
	peer->done = result == 0;
	peer->spent_us += peer->now_us() - start;
}

/* ---- OpenSSL ---- */

static struct {
	SSL_CTX *context;
	SSL *ssl;
	BIO *in, *out;
} open_ssl;

#define COOKIE "sixteen-byte-jar"

static int
make_cookie(SSL *ssl, unsigned char *cookie, unsigned *len)
{
	memcpy(cookie, COOKIE, sizeof COOKIE - 1);
	*len = sizeof COOKIE - 1;
	return 1;
}

static int
check_cookie(SSL *ssl, const unsigned char *cookie, unsigned len)
{
	return len == sizeof COOKIE - 1;
}

void
openssl_peer_init(const struct cert *root, const struct cert *server)
{
	SSL_CTX *context = SSL_CTX_new(DTLS_server_method());

	/* Security level 0: a cipher with a tag of 8 bytes is below the higher ones. */
	must(context &&
	     SSL_CTX_set_cipher_list(context, "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0") == 1 &&
	     SSL_CTX_use_certificate(context, server->x509) == 1 &&
	     SSL_CTX_use_PrivateKey(context, server->key) == 1 &&
	     X509_STORE_add_cert(SSL_CTX_get_cert_store(context), root->x509) == 1);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_options(context,
			    SSL_OP_COOKIE_EXCHANGE | SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_cookie_generate_cb(context, make_cookie);
	SSL_CTX_set_cookie_verify_cb(context, check_cookie);
	open_ssl.context = context;
}

static void
open_begin(void)
{
	SSL_free(open_ssl.ssl); /* with both wires */
	open_ssl.ssl = SSL_new(open_ssl.context);
	open_ssl.in = BIO_new(BIO_s_mem());
	open_ssl.out = BIO_new(BIO_s_mem());
	must(open_ssl.ssl && open_ssl.in && open_ssl.out);
	BIO_set_mem_eof_return(open_ssl.in, -1);
	BIO_set_mem_eof_return(open_ssl.out, -1);
	SSL_set_mtu(open_ssl.ssl, MTU);
	SSL_set_bio(open_ssl.ssl, open_ssl.in, open_ssl.out);
}

/* What it wrote may be several datagrams, whose records are the client's to tell apart. */
static void
open_send(struct net *net)
{
	uint8_t bytes[DTLS_WORLD_DATAGRAM];
	int len;

	while ((len = BIO_read(open_ssl.out, bytes, sizeof bytes)) > 0) {
		must(len < (int)sizeof bytes); /* a record that is cut would be lost */
		net_put(&net->to_client, bytes, (size_t)len);
	}
}

void
openssl_peer_serve(void *ctx)
{
	struct certified_peer *peer = ctx;
	uint8_t datagram[DTLS_WORLD_DATAGRAM];
	size_t len;
	int result = 0;
	double start = peer->now_us();

	if (!peer->begun)
		open_begin();
	peer->begun = true;
	while ((len = net_get(&peer->net->to_server, datagram, sizeof datagram)) != 0) {
		must(BIO_write(open_ssl.in, datagram, (int)len) == (int)len);
		result = SSL_accept(open_ssl.ssl);
		must(result == 1 || SSL_get_error(open_ssl.ssl, result) == SSL_ERROR_WANT_READ);
	}
	peer->done = result == 1;
	peer->spent_us += peer->now_us() - start;
	open_send(peer->net);
}
