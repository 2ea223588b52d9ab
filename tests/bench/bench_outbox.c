/*
 * bench_outbox - how fast messages leave the outbox: from the store, over HTTP on loopback, until they are gone from it.
 *
 * usage: bench_outbox [--quick] [--json FILE]
 *
 * The receiver is a thread for each connection that takes a request and answers 204; there is no TLS: connections are
 * kept, so handshakes are few. Devices are all different, so none waits for another message of its own.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "control/delivery/sender.h"
#include "control/store/store_private.h"

enum { MESSAGES = 50000, QUICK_MESSAGES = 10000, REQUEST_MAX = 8192, WAIT_MS = 60000 };

struct bench {
	char folder[64], path[80], conf[96];
	struct store *store;
	struct sender *sender;
	unsigned messages;
	int listener;
	uint16_t port;
};

static double
now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- the receiver ---- */

/* Bytes of the first request in it; 0: it is not whole. */
static size_t
whole_request(const char *bytes, size_t len)
{
	const char *end = memmem(bytes, len, "\r\n\r\n", 4), *length;
	size_t head;

	if (!end)
		return 0;
	head = (size_t)(end - bytes) + 4;
	length = strcasestr(bytes, "\r\ncontent-length:");
	if (length && length < end)
		head += strtoul(length + 17, NULL, 10);
	return head <= len ? head : 0;
}

static void *
serve(void *arg)
{
	static const char answer[] = "HTTP/1.1 204 No Content\r\n\r\n";
	int fd = (int)(intptr_t)arg;
	char bytes[REQUEST_MAX + 1];
	size_t len = 0, taken;
	ssize_t n;

	while ((n = recv(fd, bytes + len, REQUEST_MAX - len, 0)) > 0) {
		len += (size_t)n;
		bytes[len] = '\0';
		while ((taken = whole_request(bytes, len))) {
			if (send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0)
				break;
			memmove(bytes, bytes + taken, len - taken + 1);
			len -= taken;
		}
	}
	close(fd);
	return NULL;
}

static void *
listen_on(void *arg)
{
	struct bench *bench = arg;
	int fd;

	while ((fd = accept(bench->listener, NULL, NULL)) >= 0) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0)
			pthread_detach(thread);
		else
			close(fd);
	}
	return NULL;
}

static bool
open_receiver(struct bench *bench)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	pthread_t thread;

	bench->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bench->listener < 0 || bind(bench->listener, (void *)&address, len) < 0 ||
	    listen(bench->listener, 64) < 0 ||
	    getsockname(bench->listener, (void *)&address, &len) < 0)
		return false;
	bench->port = ntohs(address.sin_port);
	return pthread_create(&thread, NULL, listen_on, bench) == 0 && pthread_detach(thread) == 0;
}

/* ---- the outbox ---- */

static bool
put_all(struct bench *bench)
{
	struct buffer bytes = { 0 };
	char error[STORE_ERROR_MAX];
	struct facts facts;

	facts_sample(EVENT_CREDENTIALS, &facts);
	if (facts_encode(&facts, &bytes) < 0)
		return false;
	for (unsigned i = 0; i < bench->messages; i++) {
		char key[MESSAGE_KEY_MAX];
		const struct store_message message = {
			.id = store_message_id(bench->store),
			.state = MESSAGE_DUE,
			.device = i + 1,
			.key = key,
			.target = "bench",
			.subject = "device",
			.bytes = bytes.bytes,
			.len = bytes.len,
		};

		snprintf(key, sizeof key, "%032x", i);
		store_put_message(bench->store, &message);
	}
	buffer_fini(&bytes);
	return store_flush(bench->store, WAIT_MS, NULL, error) == 0;
}

static struct delivery_conf *
make_conf(struct bench *bench)
{
	struct delivery_conf *conf;
	struct diag_list diags;
	FILE *file = fopen(bench->conf, "w");

	if (!file)
		return NULL;
	fprintf(file,
		"targets = ( { name = \"bench\"; url = \"http://127.0.0.1:%u/{{endpoint}}\"; "
		"connections = 8; } );\n",
		bench->port);
	fclose(file);
	diag_list_init(&diags);
	conf = delivery_conf_load(bench->conf, &diags);
	for (size_t i = 0; i < diags.count; i++)
		fprintf(stderr, "%s\n", diags.items[i].text);
	diag_list_fini(&diags);
	return conf;
}

static bool
wait_until_empty(struct bench *bench)
{
	double until = now_s() + 120;
	uint64_t counts[MESSAGE_STATES];

	do {
		usleep(500);
		store_count_messages(bench->store, counts);
	} while (counts[MESSAGE_DUE] && now_s() < until);
	return !counts[MESSAGE_DUE] && !counts[MESSAGE_DEAD];
}

static int
run(struct bench *bench, FILE *json)
{
	char error[STORE_ERROR_MAX];
	struct delivery_conf *conf;
	double begun;
	bool good;

	bench->store = store_open(bench->path, error);
	if (!bench->store || store_start(bench->store) < 0 || !open_receiver(bench) ||
	    !put_all(bench))
		return 1;
	conf = make_conf(bench);
	bench->sender = sender_new(bench->store, NULL, NULL);
	if (!conf || !bench->sender)
		return 1;
	begun = now_s();
	sender_use(bench->sender, conf);
	good = wait_until_empty(bench);
	begun = now_s() - begun;
	delivery_conf_release(conf);
	sender_free(bench->sender);
	store_close(bench->store);
	close(bench->listener);
	if (!good)
		return 1;
	printf("%-28s %12.0f  messages a second from the outbox, by HTTP with 8 connections\n",
	       "outbox_per_s", bench->messages / begun);
	if (json)
		fprintf(json, "{\n \"outbox_per_s\": %.1f\n}\n", bench->messages / begun);
	return 0;
}

int
main(int argc, char **argv)
{
	struct bench bench = { .folder = "/var/tmp/bench-outbox-XXXXXX", .messages = MESSAGES };
	char command[128];
	FILE *json = NULL;
	int status;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quick")) {
			bench.messages = QUICK_MESSAGES;
		} else if (!strcmp(argv[i], "--json") && i + 1 < argc) {
			json = fopen(argv[++i], "w");
		} else {
			fputs("usage: bench_outbox [--quick] [--json FILE]\n", stderr);
			return 2;
		}
	}
	if (!mkdtemp(bench.folder)) {
		perror(bench.folder);
		return 1;
	}
	snprintf(bench.path, sizeof bench.path, "%s/store.db", bench.folder);
	snprintf(bench.conf, sizeof bench.conf, "%s/outbox.conf", bench.folder);
	status = run(&bench, json);
	if (json)
		fclose(json);
	snprintf(command, sizeof command, "rm -r %s", bench.folder);
	return system(command) != 0 || status;
}
