/*
 * cradle-web - the appliance over HTTP: a console for people, an API, /metrics for collectors, /health for load balancers.
 *
 * A program of its own, without privileges and without any device's key: it speaks the control protocol, so an HTTP parser
 * never runs in the process that holds the keys. One loop, and a helper thread for passwords; neither clients nor the
 * appliance make it wait.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include "control/clock.h"
#include "control/log.h"
#include "control/loop.h"
#include "tools/web/http_server.h"
#include "tools/web/routes.h"
#include "tools/web/user_command.h"
#include "tools/web/web_config.h"

enum { TICK_US = 200 * 1000, SPARE_DESCRIPTORS = 128 };

struct program {
	struct loop *loop;
	struct appliance *appliance;
	struct snapshots *snapshots;
	struct http_server *server;
	struct guard guard;
	struct console console;
	struct console_settings console_settings;
	struct routes routes;
};

static void
usage(FILE *to)
{
	fprintf(to, "usage: cradle-web [-c FILE] [--check]\n"
		    "       cradle-web [-c FILE] user add|password|role|remove|list|token ...\n"
		    "  -c, --config FILE    settings (default " WEB_CONFIG_FILE_DEFAULT ")\n"
		    "      --check          check them and end: 0 good, 1 not\n"
		    "      --help-settings  every setting with its range and default\n"
		    "      --version\n"
		    "  -h, --help           this text\n\n");
	user_command_usage(to);
}

/* What is wrong, a line each, on standard error. */
static void
show_diags(struct diag_list *diags)
{
	char line[1024];

	diag_list_sort(diags);
	for (size_t i = 0; i < diags->count; i++) {
		diag_format(&diags->items[i], line, sizeof line);
		fprintf(stderr, "%s\n", line);
	}
}

static void
on_signal(void *ctx, uint32_t number)
{
	struct program *program = ctx;

	log_event(SEVERITY_NOTICE, LOG_EVENT_stopping, NULL, "ending: signal %u", number);
	loop_stop(program->loop);
}

static void
on_tick(void *ctx, uint32_t events)
{
	struct program *program = ctx;
	uint64_t now_ms = clock_now_us() / 1000;

	appliance_tick(program->appliance, now_ms);
	console_tick(&program->console, now_ms);
	http_server_tick(program->server, now_ms);
}

/* Each connection is a descriptor. */
static void
raise_descriptors(const struct web_config *config)
{
	struct rlimit limit;
	rlim_t wanted = config->connections + SPARE_DESCRIPTORS;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < wanted)
		log_warning("limits.connections is %u, but the system allows %llu descriptors; "
			    "remedy: LimitNOFILE in the unit",
			    config->connections, (unsigned long long)limit.rlim_cur);
}

static struct http_settings
http_settings(struct program *program, const struct web_config *config)
{
	return (struct http_settings){
		.listen = config->listen,
		.certificate = config->certificate,
		.key = config->key,
		.authority = config->client_authority,
		.connections = config->connections,
		.connections_per_address = config->connections_per_address,
		.timeout_s = config->timeout_s,
		.request_bytes = config->request_bytes,
		.bodies_bytes = config->bodies_bytes,
		.routes = routes,
		.ctx = &program->routes,
	};
}

static struct console_settings
console_settings(const struct web_config *config)
{
	return (struct console_settings){
		.folder = config->console_folder,
		.libraries = config->console_libraries,
		.users_file = config->users_file,
		.proxy_header = config->proxy_user_header,
		.body_bytes = config->body_bytes,
		.idle_ms = config->idle_min * 60000ull,
		.whole_ms = config->session_h * 3600000ull,
		.certificates = config->client_authority != NULL,
		.secure = config->secure_cookies || config->key,
		.socket = config->socket,
		.command_timeout_ms = config->command_timeout_s * 1000ull,
	};
}

static struct guard_settings
guard_settings(const struct web_config *config)
{
	return (struct guard_settings){ .allow = config->metrics_allow,
					.proxies = config->proxies,
					.token_file = config->metrics_tokens };
}

static bool
start(struct program *program, const struct web_config *config, struct diag_list *diags)
{
	static const int signals[] = { SIGTERM, SIGINT };
	struct http_settings http = http_settings(program, config);
	struct place place = { 0 };

	program->loop = loop_new();
	if (program->loop)
		program->appliance =
			appliance_new(program->loop, config->socket, config->appliance_timeout_ms);
	if (program->appliance)
		program->snapshots = snapshots_new(program->appliance);
	if (!program->snapshots ||
	    loop_signals(program->loop, signals, 2, on_signal, program) < 0 ||
	    loop_tick(program->loop, TICK_US, on_tick, program) < 0) {
		diag_error(diags, &place, "cannot start: %s", strerror(errno));
		return false;
	}
	program->console_settings = console_settings(config);
	if (!console_init(&program->console, program->loop, &program->console_settings,
			  &program->guard, program->snapshots, diags))
		return false;
	program->server = http_server_new(program->loop, &http, diags);
	program->routes = (struct routes){ program->snapshots, &program->guard, program->server,
					   &program->console };
	return program->server != NULL;
}

static void
finish(struct program *program)
{
	/* In this order whoever waits gets an answer, and nobody asks again. */
	appliance_free(program->appliance);
	snapshots_free(program->snapshots);
	console_fini(&program->console);
	http_server_free(program->server);
	loop_free(program->loop);
	guard_fini(&program->guard);
}

static int
serve(struct program *program, const struct web_config *config, struct diag_list *diags)
{
	int result = 1;

	signal(SIGPIPE, SIG_IGN);
	log_open((enum log_target)config->log_target, (enum severity)config->log_level);
	log_set_format((enum log_format)config->log_format);
	raise_descriptors(config);
	if (start(program, config, diags)) {
		log_event(SEVERITY_NOTICE, LOG_EVENT_ready, NULL,
			  "cradle-web " CRADLE_VERSION " on %s, appliance at %s", config->listen,
			  config->socket);
		sd_notify(0, "READY=1");
		result = loop_run(program->loop) < 0;
		sd_notify(0, "STOPPING=1");
	} else {
		show_diags(diags);
	}
	finish(program);
	log_close();
	return result;
}

static int
run(const char *file, bool check_only)
{
	struct program program = { 0 };
	struct diag_list diags;
	struct web_config *config;
	int result = 1;

	diag_list_init(&diags);
	config = web_config_load(file, &diags);
	if (config) {
		struct guard_settings guard = guard_settings(config);
		struct http_settings http = http_settings(&program, config);
		struct console_settings console = console_settings(config);
		bool good = guard_init(&program.guard, &guard, &diags);

		good &= http_server_check(&http, &diags);
		good &= console_check(&console, &diags);
		if (good && !check_only) {
			show_diags(&diags);
			diag_list_fini(&diags);
			diag_list_init(&diags);
			result = serve(&program, config, &diags);
		} else {
			show_diags(&diags);
			result = !good;
		}
		guard_fini(&program.guard);
	} else {
		show_diags(&diags);
	}
	web_config_free(config);
	diag_list_fini(&diags);
	return result;
}

/* The words behind `user`: they need no more of the settings than where the users are. */
static int
run_user_command(const char *file, int argc, char **argv)
{
	struct diag_list diags;
	struct web_config *config;
	int result = 1;

	diag_list_init(&diags);
	config = web_config_load(file, &diags);
	if (config)
		result = user_command(config->users_file, argc, argv);
	else
		show_diags(&diags);
	web_config_free(config);
	diag_list_fini(&diags);
	return result;
}

static int
help_settings(void)
{
	struct text text;

	text_init(&text);
	web_config_help(&text);
	fputs(text_str(&text), stdout);
	text_fini(&text);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },  { "check", no_argument, NULL, 'k' },
		{ "help-settings", no_argument, NULL, 's' }, { "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },          { NULL, 0, NULL, 0 },
	};
	const char *file = WEB_CONFIG_FILE_DEFAULT;
	bool check_only = false;
	int option;

	while ((option = getopt_long(argc, argv, "+c:h", longs, NULL)) != -1) {
		switch (option) {
		case 'c':
			file = optarg;
			break;
		case 'k':
			check_only = true;
			break;
		case 's':
			return help_settings();
		case 'v':
			puts("cradle-web " CRADLE_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind == argc)
		return run(file, check_only);
	if (strcmp(argv[optind], "user") == 0 && !check_only)
		return run_user_command(file, argc - optind - 1, argv + optind + 1);
	usage(stderr);
	return 2;
}
