/*
 * delivery_conf.h - outbox.conf: who is told of credentials and events, how, and how hard it is tried.
 *
 * Read whole or refused whole: addresses, templates, TLS files and secrets are checked when it is read, so what is kept
 * needs no file any more. Immutable and counted: the service holds one, and deliveries in flight hold theirs. Wiped when
 * the last one lets go. Any thread. Allocates.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/delivery/backoff.h"
#include "control/delivery/body_template.h"
#include "control/text.h"
#include "tasks/diag.h"

enum {
	DELIVERY_TARGETS_MAX = 16,
	DELIVERY_SECRET_MAX = 4096,
};

/* When a run that made credentials goes on to its Finish. */
enum delivery_confirm {
	CONFIRM_NOTHING,   /* at once; credentials go into the store with the report */
	CONFIRM_STORED,    /* once they are on the disk */
	CONFIRM_DELIVERED, /* once the target has them */
};

/* Of a run whose credentials were not delivered in time. */
enum delivery_timeout { TIMEOUT_FINISH, TIMEOUT_FAIL };

struct delivery_target {
	/* As the file says. */
	char *name, *events, *url, *method, *body, *content_type;
	char *authority, *certificate, *certificate_key;
	char *token_file, *token_header, *token_prefix, *signature_file;
	uint32_t ssid; /* of credentials; 0: any */
	uint32_t confirm, on_timeout, confirm_timeout_s, timeout_ms, connections;
	bool allow_http;
	uint32_t line;
	/* What it comes to. */
	unsigned wants; /* bits of enum fact_event */
	struct body_template *address, *content;
	char *token; /* the whole header line, or NULL */
	char *signature_key;
	size_t signature_key_len;
};

struct delivery_conf {
	_Atomic unsigned holders;
	char *file;
	uint32_t retry_min_ms, retry_max_s, attempts, max_age_h, max_messages, outsiders_per_s;
	unsigned n_targets;
	struct delivery_target targets[DELIVERY_TARGETS_MAX];
};

/* NULL after adding at least one error. Held once. */
struct delivery_conf *delivery_conf_load(const char *file, struct diag_list *diags);
struct delivery_conf *delivery_conf_hold(struct delivery_conf *conf);
void delivery_conf_release(struct delivery_conf *conf); /* NULL: nothing */
/* NULL: there is none of this name. */
const struct delivery_target *delivery_conf_target(const struct delivery_conf *conf,
						   const char *name);
void delivery_conf_backoff(const struct delivery_conf *conf, struct backoff *backoff);
/* Whether the target wants credentials of this Short Server ID. */
bool delivery_wants_credentials(const struct delivery_target *target, uint32_t ssid);

/* "help outbox.conf", and one setting's; false where there is none of this name. */
void delivery_conf_help(struct text *text);
bool delivery_conf_help_one(const char *name, struct text *text);

/* delivery_check.c: what the file names, into the target; errors stand at its line. */
void delivery_check_target(struct delivery_target *target, const char *file,
			   struct diag_list *diags);
