#include "tests/bench/openssl_handshake.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/ssl.h>

enum { MTU = 1400, TURNS_MAX = 20, KEY_LEN = 16 };

#define IDENTITY "dev-0001"
#define COOKIE   "sixteen-byte-jar"

static unsigned
server_psk(SSL *ssl, const char *identity, unsigned char *key, unsigned max)
{
	memset(key, 'k', KEY_LEN);
	return strcmp(identity, IDENTITY) == 0 ? KEY_LEN : 0;
}

static unsigned
client_psk(SSL *ssl, const char *hint, char *identity, unsigned identity_max, unsigned char *key,
	   unsigned max)
{
	memcpy(identity, IDENTITY, sizeof IDENTITY);
	memset(key, 'k', KEY_LEN);
	return KEY_LEN;
}

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

static SSL_CTX *
new_context(bool server)
{
	SSL_CTX *context = SSL_CTX_new(server ? DTLS_server_method() : DTLS_client_method());

	/* Security level 0: a cipher with a tag of 8 bytes is below the higher ones. */
	if (!context || !SSL_CTX_set_cipher_list(context, "PSK-AES128-CCM8:@SECLEVEL=0"))
		abort();
	SSL_CTX_set_options(context,
			    SSL_OP_COOKIE_EXCHANGE | SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_psk_server_callback(context, server_psk);
	SSL_CTX_set_psk_client_callback(context, client_psk);
	SSL_CTX_set_cookie_generate_cb(context, make_cookie);
	SSL_CTX_set_cookie_verify_cb(context, check_cookie);
	return context;
}

static SSL *
new_peer(SSL_CTX *context, BIO *in, BIO *out)
{
	SSL *ssl = SSL_new(context);

	if (!ssl)
		abort();
	SSL_set_mtu(ssl, MTU);
	BIO_up_ref(in);
	BIO_up_ref(out);
	SSL_set_bio(ssl, in, out);
	return ssl;
}

static BIO *
new_wire(void)
{
	BIO *bio = BIO_new(BIO_s_mem());

	if (!bio)
		abort();
	BIO_set_mem_eof_return(bio, -1);
	return bio;
}

double
openssl_handshake_us(double (*now_us)(void))
{
	static SSL_CTX *server_context, *client_context;
	BIO *to_server = new_wire(), *to_client = new_wire();
	SSL *server, *client;
	double start, spent;
	int done = 0, client_done = 0;

	if (!server_context) {
		server_context = new_context(true);
		client_context = new_context(false);
	}
	client = new_peer(client_context, to_client, to_server);
	start = now_us();
	server = new_peer(server_context, to_server, to_client);
	spent = now_us() - start;
	for (int turn = 0; turn < TURNS_MAX && !(done == 1 && client_done == 1); turn++) {
		client_done = SSL_connect(client);
		start = now_us();
		done = SSL_accept(server);
		spent += now_us() - start;
	}
	if (done != 1 || client_done != 1)
		abort();
	start = now_us();
	SSL_free(server);
	spent += now_us() - start;
	SSL_free(client);
	BIO_free(to_server);
	BIO_free(to_client);
	return spent;
}
