/*
 * web_config.h - cradle-web.conf: what the program serves, to whom, and where the appliance is.
 *
 * Read by the same schema machinery as cradle.conf. Owner: whoever calls web_config_load(). One thread. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "control/text.h"
#include "tasks/diag.h"

#define WEB_CONFIG_FILE_DEFAULT "/etc/cradle/cradle-web.conf"

struct web_config {
	char *listen; /* "ADDRESS:PORT", "[ADDRESS]:PORT" */
	char *socket; /* the appliance's */
	uint32_t appliance_timeout_ms;
	uint32_t connections, connections_per_address, timeout_s, request_bytes, body_bytes, bodies_bytes;
	char *certificate, *key;        /* PEM files; NULL: no TLS here */
	char *client_authority;         /* PEM file; NULL: no certificates of clients */
	char *proxies;                  /* whose X-Forwarded-For counts; NULL: nobody's */
	char *metrics_allow;            /* addresses that need no token; NULL: none */
	char *metrics_tokens;           /* file of tokens; NULL: none */
	char *proxy_user_header;        /* NULL: a proxy names nobody */
	char *console_folder, *console_libraries, *users_file;
	bool secure_cookies;
	uint32_t idle_min, session_h, command_timeout_s;
	uint32_t log_level, log_target, log_format; /* enum severity, log_target, log_format */
};

/* NULL after adding errors, or with warnings only the settings. */
struct web_config *web_config_load(const char *file, struct diag_list *diags);
void web_config_free(struct web_config *config);

/* Every setting with its help. */
void web_config_help(struct text *text);
