/*
 * lwm2m_client.c - a small LwM2M bootstrap client on libcoap, for tests and demonstrations.
 *
 * Shares no code with the appliance: CoAP, retransmission and DTLS are libcoap's and its TLS library's. It sends one
 * Bootstrap-Request and then answers the server's operations on the same session, as devices do, until Finish, an
 * error reply or the time-out. What it sees goes to standard output, one JSON object a line:
 *
 *	{"event":"reply","code":"2.04","format":-1,"payload":""}
 *	{"event":"operation","method":"PUT","path":"/0/2","format":11542,"accept":-1,"payload":"c80016..","answer":"2.04"}
 *	{"event":"end","result":"finished"}         finished, refused, timeout, reset, failed
 *
 * Exit code: 0 finished, 1 anything else, 2 usage.
 */
#include <getopt.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <coap3/coap.h>

enum { QUERIES_MAX = 16, ANSWERS_MAX = 16 };

struct answer_rule {
	int step; /* from 1; 0: every step */
	coap_pdu_code_t code;
};

/* What the answer to a step carries. */
struct content_rule {
	int step; /* from 1 */
	uint16_t format;
	const char *text;
};

struct client {
	const char *host, *port, *source_port;
	const char *identity, *key;
	const char *certificate, *private_key, *authority, *server_name;
	const char *public_key; /* raw, in place of a certificate */
	const char *path, *method;
	const char *queries[QUERIES_MAX];
	size_t n_queries;
	struct answer_rule answers[ANSWERS_MAX];
	size_t n_answers;
	struct content_rule contents[ANSWERS_MAX];
	size_t n_contents;
	int accept;
	int drop_step; /* this step is never answered (its handler's reply is suppressed) */
	unsigned timeout_s;
	bool human;
	unsigned stay_s; /* after an error answer of ours, for what the server does then */
	bool comes_again, waits; /* once it has finished, when it is told to; now */

	uint64_t deadline_ms;

	unsigned steps;
	bool ended;
	const char *result;
};

static volatile sig_atomic_t told_to_ask;

static struct client client = { .path = "bs", .method = "POST", .accept = -1, .timeout_s = 30 };

static void
print_hex(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		printf("%02x", bytes[i]);
}

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void
end(const char *result)
{
	if (client.ended)
		return;
	client.ended = true;
	client.result = result;
}

/* Those that come again keep their session meanwhile. */
static void
finish_run(void)
{
	if (!client.comes_again) {
		end("finished");
		return;
	}
	client.comes_again = false;
	client.waits = true;
	client.steps = 0;
	printf("{\"event\":\"waits\"}\n");
	fflush(stdout);
}

static void
fail_soon(void)
{
	if (client.stay_s == 0)
		end("failed");
	else
		client.deadline_ms = now_ms() + client.stay_s * 1000;
}

static int
option_uint(const coap_pdu_t *pdu, coap_option_num_t number)
{
	coap_opt_iterator_t it;
	coap_opt_t *option = coap_check_option(pdu, number, &it);

	return option ? (int)coap_decode_var_bytes(coap_opt_value(option), coap_opt_length(option))
		      : -1;
}

static const char *
method_name(coap_pdu_code_t code)
{
	static const char *const names[] = { "EMPTY", "GET", "POST", "PUT", "DELETE" };

	return code < 5 ? names[code] : "OTHER";
}

static coap_pdu_code_t
default_answer(coap_pdu_code_t method, bool finish)
{
	switch (method) {
	case COAP_REQUEST_CODE_PUT:
		return COAP_RESPONSE_CODE_CHANGED;
	case COAP_REQUEST_CODE_DELETE:
		return COAP_RESPONSE_CODE_DELETED;
	case COAP_REQUEST_CODE_GET:
		return COAP_RESPONSE_CODE_CONTENT;
	default:
		return finish ? COAP_RESPONSE_CODE_CHANGED : COAP_RESPONSE_CODE_NOT_ALLOWED;
	}
}

static coap_pdu_code_t
choose_answer(coap_pdu_code_t method, bool finish)
{
	for (size_t i = 0; i < client.n_answers; i++)
		if (client.answers[i].step == 0 || client.answers[i].step == (int)client.steps)
			return client.answers[i].code;
	return default_answer(method, finish);
}

/* Large content goes out in blocks: libcoap does that. */
static void
add_content(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
	    const coap_string_t *query, coap_pdu_t *response)
{
	for (size_t i = 0; i < client.n_contents; i++) {
		const struct content_rule *rule = &client.contents[i];

		if (rule->step == (int)client.steps)
			coap_add_data_large_response(resource, session, request, response, query,
						     rule->format, -1, 0, strlen(rule->text),
						     (const uint8_t *)rule->text, NULL, NULL);
	}
}

static void
print_operation(const coap_pdu_t *request, const char *path, coap_pdu_code_t answer)
{
	const uint8_t *data = NULL;
	size_t len = 0, offset, total;

	coap_get_data_large(request, &len, &data, &offset, &total);
	if (client.human) {
		printf("  <- %-6s /%s", method_name(coap_pdu_get_code(request)), path);
		if (len)
			printf("  %zu bytes of format %d", len,
			       option_uint(request, COAP_OPTION_CONTENT_FORMAT));
		printf("   -> %u.%02u\n", answer >> 5, answer & 31);
		return;
	}
	printf("{\"event\":\"operation\",\"method\":\"%s\",\"path\":\"/"
	       "%s\",\"format\":%d,\"accept\":%d,"
	       "\"payload\":\"",
	       method_name(coap_pdu_get_code(request)), path,
	       option_uint(request, COAP_OPTION_CONTENT_FORMAT),
	       option_uint(request, COAP_OPTION_ACCEPT));
	print_hex(data, len);
	printf("\",\"answer\":\"%u.%02u\"}\n", answer >> 5, answer & 31);
}

/* Every operation of the server, whatever its path. */
static void
on_operation(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
	     const coap_string_t *query, coap_pdu_t *response)
{
	coap_string_t *uri_path = coap_get_uri_path(request);
	const char *path = uri_path ? (const char *)uri_path->s : "";
	bool finish = coap_pdu_get_code(request) == COAP_REQUEST_CODE_POST && !strcmp(path, "bs");
	coap_pdu_code_t answer;

	client.steps++;
	answer = choose_answer(coap_pdu_get_code(request), finish);
	print_operation(request, path, answer);
	fflush(stdout);
	if (client.drop_step == (int)client.steps)
		end("silent");
	else
		coap_pdu_set_code(response, answer);
	if (COAP_RESPONSE_CLASS(answer) == 2)
		add_content(resource, session, request, query, response);
	if (finish && answer == COAP_RESPONSE_CODE_CHANGED)
		finish_run();
	else if (COAP_RESPONSE_CLASS(answer) > 2)
		fail_soon();
	coap_delete_string(uri_path);
}

static void
print_reply(const coap_pdu_t *reply, coap_pdu_code_t code)
{
	const uint8_t *data = NULL;
	size_t len = 0, offset, total;

	coap_get_data_large(reply, &len, &data, &offset, &total);
	if (client.human) {
		printf("  <- reply %u.%02u\n", code >> 5, code & 31);
	} else {
		printf("{\"event\":\"reply\",\"code\":\"%u.%02u\",\"format\":%d,\"payload\":\"",
		       code >> 5, code & 31, option_uint(reply, COAP_OPTION_CONTENT_FORMAT));
		print_hex(data, len);
		printf("\"}\n");
	}
	fflush(stdout);
}

static coap_response_t
on_reply(coap_session_t *session, const coap_pdu_t *sent, const coap_pdu_t *received,
	 const coap_mid_t mid)
{
	coap_pdu_code_t code = coap_pdu_get_code(received);

	print_reply(received, code);
	if (COAP_RESPONSE_CLASS(code) != 2)
		end("refused");
	else if (!strcmp(client.method, "GET"))
		finish_run(); /* a Bootstrap-Pack, whole: libcoap fetched its blocks */
	return COAP_RESPONSE_OK;
}

static void
on_nack(coap_session_t *session, const coap_pdu_t *sent, const coap_nack_reason_t reason,
	const coap_mid_t mid)
{
	switch (reason) {
	case COAP_NACK_RST:
		end("reset");
		break;
	case COAP_NACK_TLS_FAILED:
		end("tls");
		break;
	default:
		end("timeout");
	}
}

static int
on_event(coap_session_t *session, coap_event_t event)
{
	if (event == COAP_EVENT_DTLS_ERROR)
		end("tls");
	return 0;
}

static bool
resolve(const char *host, const char *port, coap_address_t *address)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM,
				  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *found;
	int error = getaddrinfo(host, port, &hints, &found);

	if (error) {
		fprintf(stderr, "%s port %s: %s\n", host, port, gai_strerror(error));
		return false;
	}
	coap_address_init(address);
	address->size = found->ai_addrlen;
	memcpy(&address->addr, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return true;
}

/* With a certificate. */
static coap_session_t *
open_certificate_session(coap_context_t *context, const coap_address_t *local,
			 const coap_address_t *server)
{
	coap_dtls_pki_t pki = {
		.version = COAP_DTLS_PKI_SETUP_VERSION,
		.verify_peer_cert = client.authority != NULL,
		.check_common_ca = client.authority != NULL,
		.client_sni = (char *)(uintptr_t)client.server_name,
		.pki_key = {
			.key_type = COAP_PKI_KEY_PEM,
			.key.pem = {
				.ca_file = client.authority,
				.public_cert = client.certificate,
				.private_key = client.private_key,
			},
		},
	};

	return coap_new_client_session_pki(context, local, server, COAP_PROTO_DTLS, &pki);
}

/* A file as a text of libcoap's: its length counts the NUL. NULL: it cannot be read. */
static coap_str_const_t *
read_pem(const char *path)
{
	char text[4096];
	FILE *file = fopen(path, "re");
	size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;

	if (file)
		fclose(file);
	text[len] = '\0';
	return len ? coap_new_str_const((const uint8_t *)text, len + 1) : NULL;
}

/*
 * With a raw public key (RFC 7250), which libcoap takes from memory alone. Whose the server's is, is
 * not asked.
 */
static coap_session_t *
open_raw_key_session(coap_context_t *context, const coap_address_t *local,
		     const coap_address_t *server)
{
	coap_str_const_t *public_key = read_pem(client.public_key);
	coap_str_const_t *private_key = read_pem(client.private_key);
	coap_dtls_pki_t pki = {
		.version = COAP_DTLS_PKI_SETUP_VERSION,
		.is_rpk_not_cert = 1,
		.client_sni = (char *)(uintptr_t)client.server_name,
		.pki_key = { .key_type = COAP_PKI_KEY_PEM_BUF },
	};

	if (!public_key || !private_key) {
		fprintf(stderr, "%s or %s cannot be read\n", client.public_key, client.private_key);
		return NULL;
	}
	pki.pki_key.key.pem_buf = (coap_pki_key_pem_buf_t){
		.public_cert = public_key->s,
		.public_cert_len = public_key->length,
		.private_key = private_key->s,
		.private_key_len = private_key->length,
	};
	return coap_new_client_session_pki(context, local, server, COAP_PROTO_DTLS, &pki);
}

static coap_session_t *
open_session(coap_context_t *context)
{
	coap_address_t server, local;
	coap_address_t *bind_to = NULL;

	if (!resolve(client.host, client.port, &server))
		return NULL;
	if (client.source_port) {
		if (!resolve(server.addr.sa.sa_family == AF_INET ? "0.0.0.0" : "::",
			     client.source_port, &local))
			return NULL;
		bind_to = &local;
	}
	if (client.public_key)
		return open_raw_key_session(context, bind_to, &server);
	if (client.private_key)
		return open_certificate_session(context, bind_to, &server);
	if (!client.identity)
		return coap_new_client_session(context, bind_to, &server, COAP_PROTO_UDP);

	coap_dtls_cpsk_t psk = {
		.version = COAP_DTLS_CPSK_SETUP_VERSION,
		.psk_info = {
			.identity = { strlen(client.identity), (const uint8_t *)client.identity },
			.key = { strlen(client.key), (const uint8_t *)client.key },
		},
	};
	return coap_new_client_session_psk2(context, bind_to, &server, COAP_PROTO_DTLS, &psk);
}

static void
add_path(coap_optlist_t **options, const char *path)
{
	char copy[256];

	snprintf(copy, sizeof copy, "%s", path);
	for (char *save, *part = strtok_r(copy, "/", &save); part;
	     part = strtok_r(NULL, "/", &save))
		coap_insert_optlist(options, coap_new_optlist(COAP_OPTION_URI_PATH, strlen(part),
							      (const uint8_t *)part));
}

static bool
send_request(coap_session_t *session)
{
	bool get = !strcmp(client.method, "GET");
	coap_pdu_t *request = coap_pdu_init(
		COAP_MESSAGE_CON, get ? COAP_REQUEST_CODE_GET : COAP_REQUEST_CODE_POST,
		coap_new_message_id(session), coap_session_max_pdu_size(session));
	coap_optlist_t *options = NULL;
	uint8_t token[8], number[4];
	size_t token_len;

	if (!request)
		return false;
	coap_session_new_token(session, &token_len, token);
	coap_add_token(request, token_len, token);
	add_path(&options, client.path);
	for (size_t i = 0; i < client.n_queries; i++)
		coap_insert_optlist(&options, coap_new_optlist(COAP_OPTION_URI_QUERY,
							       strlen(client.queries[i]),
							       (const uint8_t *)client.queries[i]));
	if (client.accept >= 0)
		coap_insert_optlist(&options,
				    coap_new_optlist(COAP_OPTION_ACCEPT,
						     coap_encode_var_safe(number, sizeof number,
									  (unsigned)client.accept),
						     number));
	coap_add_optlist_pdu(request, &options);
	coap_delete_optlist(options);
	return coap_send(session, request) != COAP_INVALID_MID;
}

static bool
serve_operations(coap_context_t *context)
{
	/* POST /bs is Finish; everything else is a path of the data model. */
	coap_resource_t *any = coap_resource_unknown_init(on_operation);
	coap_resource_t *finish = coap_resource_init(coap_make_str_const("bs"), 0);

	if (!any || !finish)
		return false;
	coap_register_handler(any, COAP_REQUEST_DELETE, on_operation);
	coap_register_handler(any, COAP_REQUEST_GET, on_operation);
	coap_register_handler(any, COAP_REQUEST_POST, on_operation);
	coap_register_handler(finish, COAP_REQUEST_POST, on_operation);
	coap_add_resource(context, any);
	coap_add_resource(context, finish);
	coap_register_response_handler(context, on_reply);
	coap_register_nack_handler(context, on_nack);
	coap_register_event_handler(context, on_event);
	coap_context_set_block_mode(context, COAP_BLOCK_USE_LIBCOAP | COAP_BLOCK_SINGLE_BODY);
	return true;
}

static void
on_signal(int number)
{
	told_to_ask = 1;
}

static void
run(coap_context_t *context, coap_session_t *session)
{
	client.deadline_ms = now_ms() + client.timeout_s * 1000;
	while (!client.ended && now_ms() < client.deadline_ms) {
		coap_io_process(context, 100);
		if (!client.waits || !told_to_ask)
			continue;
		client.waits = false;
		if (!send_request(session))
			end("failed");
	}
	end("timeout");
	/* The last answer may still stand in a queue. */
	coap_io_process(context, COAP_IO_NO_WAIT);
}

static void
usage(FILE *to)
{
	fprintf(to,
		"usage: lwm2m_client [options] HOST PORT [QUERY...]\n"
		"  QUERY            a Uri-Query option, for example ep=demo-0001 or pct=112\n"
		"  -i IDENTITY      DTLS pre-shared key identity (with -k)\n"
		"  -k KEY           pre-shared key, text\n"
		"  -C FILE          certificate chain, PEM (with -K)\n"
		"  -K FILE          its private key, PEM\n"
		"  -P FILE          raw public key in place of a certificate, PEM (with -K; GnuTLS alone)\n"
		"  -A FILE          authority of the server's certificate; default: not verified\n"
		"  -N NAME          server name to ask for\n"
		"  -m METHOD        POST (default) or GET\n"
		"  -u PATH          request path, default bs\n"
		"  -a FORMAT        Accept option\n"
		"  -r STEP=CODE     answer step STEP (0: all) with CODE, for example 2=4.00\n"
		"  -p STEP=FORMAT:TEXT  content of the answer to step STEP\n"
		"  -s SECONDS       stay so long after an error answer of ours\n"
		"  -w               having finished, wait for SIGUSR1 and ask again on the same session\n"
		"  -d STEP          never answer step STEP, and leave\n"
		"  -b PORT          local port\n"
		"  -t SECONDS       give up after (default 30)\n"
		"  -H               text for people instead of JSON\n"
		"  -v               libcoap's own log\n");
}

static bool
parse_rule(const char *text)
{
	unsigned step, class, detail;

	if (client.n_answers == ANSWERS_MAX ||
	    sscanf(text, "%u=%u.%u", &step, &class, &detail) != 3)
		return false;
	client.answers[client.n_answers++] =
		(struct answer_rule){ (int)step, (coap_pdu_code_t)(class << 5 | detail) };
	return true;
}

static bool
parse_content(const char *text)
{
	struct content_rule *rule = &client.contents[client.n_contents];
	const char *colon = strchr(text, ':');

	if (client.n_contents == ANSWERS_MAX || !colon ||
	    sscanf(text, "%d=%hu:", &rule->step, &rule->format) != 2)
		return false;
	rule->text = colon + 1;
	client.n_contents++;
	return true;
}

static bool
parse_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "i:k:C:K:P:A:N:m:u:a:r:p:d:b:t:s:wHvh")) != -1) {
		switch (option) {
		case 'i':
			client.identity = optarg;
			break;
		case 'k':
			client.key = optarg;
			break;
		case 'C':
			client.certificate = optarg;
			break;
		case 'K':
			client.private_key = optarg;
			break;
		case 'P':
			client.public_key = optarg;
			break;
		case 'A':
			client.authority = optarg;
			break;
		case 'N':
			client.server_name = optarg;
			break;
		case 'm':
			client.method = optarg;
			break;
		case 'u':
			client.path = optarg;
			break;
		case 'a':
			client.accept = (int)strtol(optarg, NULL, 10);
			break;
		case 'd':
			client.drop_step = (int)strtol(optarg, NULL, 10);
			break;
		case 'b':
			client.source_port = optarg;
			break;
		case 't':
			client.timeout_s = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'w':
			client.comes_again = true;
			break;
		case 'H':
			client.human = true;
			break;
		case 'v':
			coap_set_log_level(LOG_DEBUG);
			coap_dtls_set_log_level(LOG_DEBUG);
			break;
		case 'r':
			if (!parse_rule(optarg))
				return false;
			break;
		case 'p':
			if (!parse_content(optarg))
				return false;
			break;
		case 's':
			client.stay_s = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			return false;
		}
	}
	return true;
}

/* HOST, PORT and queries. */
static bool
take_operands(int n, char **operands)
{
	if (n < 2 || n - 2 > QUERIES_MAX || !client.identity != !client.key ||
	    (!client.certificate && !client.public_key) != !client.private_key)
		return false;
	client.host = operands[0];
	client.port = operands[1];
	for (int i = 2; i < n; i++)
		client.queries[client.n_queries++] = operands[i];
	return true;
}

int
main(int argc, char **argv)
{
	coap_context_t *context;
	coap_session_t *session;

	if (!parse_options(argc, argv) || !take_operands(argc - optind, argv + optind)) {
		usage(stderr);
		return 2;
	}
	coap_startup();
	context = coap_new_context(NULL);
	if (!context || !serve_operations(context) || !(session = open_session(context)) ||
	    !send_request(session)) {
		fprintf(stderr, "lwm2m_client: cannot set up the CoAP session\n");
		return 1;
	}
	signal(SIGUSR1, on_signal);
	run(context, session);
	if (client.human)
		printf("  %s\n", client.result);
	else
		printf("{\"event\":\"end\",\"result\":\"%s\"}\n", client.result);
	coap_session_release(session);
	coap_free_context(context);
	coap_cleanup();
	return strcmp(client.result, "finished") ? 1 : 0;
}
