/*
 * dtls_pipe.c - a DTLS 1.2 PSK client of mbedTLS between a test and the appliance.
 *
 * After the handshake, application data go through standard input and output, each message behind its length (16 bits,
 * big-endian). A message of length 0, or the end of the input, closes with close_notify. The first line on standard
 * error is the suite that was agreed, or why there was none.
 *
 * Exit code: 0 closed by us, 1 no session or ended by the server, 2 usage.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/timing.h>

struct pipe_options {
	const char *host, *port, *identity, *key;
	const char *suite;
	bool no_ems, no_etm;
	unsigned mtu;
};

static void
usage(FILE *to)
{
	fprintf(to, "usage: dtls_pipe [options] HOST PORT IDENTITY KEY\n"
		    "  -s SUITE   TLS-PSK-WITH-AES-128-CCM-8 (default) or "
		    "TLS-PSK-WITH-AES-128-CBC-SHA256\n"
		    "  -e         do not offer the extended master secret\n"
		    "  -m         do not offer encrypt-then-MAC\n"
		    "  -M MTU     largest datagram to send\n");
}

static int
failed(const char *what, int error)
{
	char text[128];

	mbedtls_strerror(error, text, sizeof text);
	fprintf(stderr, "%s: %s\n", what, text);
	return 1;
}

static bool
read_exactly(void *at, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(STDIN_FILENO, (char *)at + done, len - done);

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

/* One message from the test to the server; false when the test closes. */
static bool
forward(mbedtls_ssl_context *ssl)
{
	unsigned char bytes[2048];
	uint16_t len;

	if (!read_exactly(&len, 2))
		return false;
	len = ntohs(len);
	if (!len || len > sizeof bytes || !read_exactly(bytes, len))
		return false;
	return mbedtls_ssl_write(ssl, bytes, len) == (int)len;
}

/* Everything that has come from the server; negative when the session is over. */
static int
backward(mbedtls_ssl_context *ssl)
{
	unsigned char bytes[2 + 2048];

	do {
		int n = mbedtls_ssl_read(ssl, bytes + 2, sizeof bytes - 2);

		if (n == MBEDTLS_ERR_SSL_WANT_READ || n == MBEDTLS_ERR_SSL_TIMEOUT)
			return 0;
		if (n <= 0)
			return n ? n : -1;
		bytes[0] = (unsigned char)(n >> 8);
		bytes[1] = (unsigned char)n;
		if (write(STDOUT_FILENO, bytes, (size_t)n + 2) != n + 2)
			return -1;
	} while (mbedtls_ssl_check_pending(ssl));
	return 0;
}

static int
relay(mbedtls_ssl_context *ssl, mbedtls_net_context *net)
{
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				{ .fd = net->fd, .events = POLLIN } };

	for (;;) {
		int error;

		if (poll(fds, 2, -1) < 0)
			return 1;
		if (fds[1].revents && (error = backward(ssl)) < 0)
			return failed("ended by the server", error);
		if (fds[0].revents && !forward(ssl))
			break;
	}
	mbedtls_ssl_close_notify(ssl);
	return 0;
}

static bool
parse_arguments(int argc, char **argv, struct pipe_options *options)
{
	int option;

	*options = (struct pipe_options){ .suite = "TLS-PSK-WITH-AES-128-CCM-8" };
	while ((option = getopt(argc, argv, "s:emM:")) != -1) {
		if (option == 's')
			options->suite = optarg;
		else if (option == 'e')
			options->no_ems = true;
		else if (option == 'm')
			options->no_etm = true;
		else if (option == 'M')
			options->mtu = (unsigned)strtoul(optarg, NULL, 10);
		else
			return false;
	}
	if (argc - optind != 4)
		return false;
	options->host = argv[optind];
	options->port = argv[optind + 1];
	options->identity = argv[optind + 2];
	options->key = argv[optind + 3];
	return true;
}

static int
configure(mbedtls_ssl_config *config, const struct pipe_options *options,
	  mbedtls_ctr_drbg_context *drbg)
{
	static int suites[2];
	int error = mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_CLIENT,
						MBEDTLS_SSL_TRANSPORT_DATAGRAM,
						MBEDTLS_SSL_PRESET_DEFAULT);

	if (error)
		return error;
	suites[0] = mbedtls_ssl_get_ciphersuite_id(options->suite);
	if (!suites[0]) {
		fprintf(stderr, "no suite %s\n", options->suite);
		return MBEDTLS_ERR_SSL_BAD_INPUT_DATA;
	}
	mbedtls_ssl_conf_ciphersuites(config, suites);
	mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3,
				     MBEDTLS_SSL_MINOR_VERSION_3);
	mbedtls_ssl_conf_rng(config, mbedtls_ctr_drbg_random, drbg);
	mbedtls_ssl_conf_handshake_timeout(config, 1000, 8000);
	mbedtls_ssl_conf_read_timeout(config, 1);
	if (options->no_ems)
		mbedtls_ssl_conf_extended_master_secret(config, MBEDTLS_SSL_EXTENDED_MS_DISABLED);
	if (options->no_etm)
		mbedtls_ssl_conf_encrypt_then_mac(config, MBEDTLS_SSL_ETM_DISABLED);
	return mbedtls_ssl_conf_psk(config, (const unsigned char *)options->key,
				    strlen(options->key), (const unsigned char *)options->identity,
				    strlen(options->identity));
}

static int
run(const struct pipe_options *options, mbedtls_ssl_config *config, mbedtls_ssl_context *ssl,
    mbedtls_net_context *net)
{
	mbedtls_timing_delay_context timer;
	int error = mbedtls_net_connect(net, options->host, options->port, MBEDTLS_NET_PROTO_UDP);

	if (error)
		return failed("connect", error);
	error = mbedtls_ssl_setup(ssl, config);
	if (error)
		return failed("setup", error);
	if (options->mtu)
		mbedtls_ssl_set_mtu(ssl, (uint16_t)options->mtu);
	mbedtls_ssl_set_timer_cb(ssl, &timer, mbedtls_timing_set_delay, mbedtls_timing_get_delay);
	mbedtls_ssl_set_bio(ssl, net, mbedtls_net_send, mbedtls_net_recv, mbedtls_net_recv_timeout);
	do
		error = mbedtls_ssl_handshake(ssl);
	while (error == MBEDTLS_ERR_SSL_WANT_READ || error == MBEDTLS_ERR_SSL_WANT_WRITE);
	if (error)
		return failed("handshake", error);
	fprintf(stderr, "%s\n", mbedtls_ssl_get_ciphersuite(ssl));
	return relay(ssl, net);
}

int
main(int argc, char **argv)
{
	struct pipe_options options;
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context drbg;
	mbedtls_ssl_config config;
	mbedtls_ssl_context ssl;
	mbedtls_net_context net;
	int result, error;

	if (!parse_arguments(argc, argv, &options)) {
		usage(stderr);
		return 2;
	}
	mbedtls_entropy_init(&entropy);
	mbedtls_ctr_drbg_init(&drbg);
	mbedtls_ssl_config_init(&config);
	mbedtls_ssl_init(&ssl);
	mbedtls_net_init(&net);
	error = mbedtls_ctr_drbg_seed(&drbg, mbedtls_entropy_func, &entropy, NULL, 0);
	if (!error)
		error = configure(&config, &options, &drbg);
	result = error ? failed("configure", error) : run(&options, &config, &ssl, &net);
	mbedtls_net_free(&net);
	mbedtls_ssl_free(&ssl);
	mbedtls_ssl_config_free(&config);
	mbedtls_ctr_drbg_free(&drbg);
	mbedtls_entropy_free(&entropy);
	return result;
}
