/*
 * secrets.h - keeps secret values of a device out of what a task says: logs, messages, history.
 *
 * The evaluator collects the secret values that a run reads or makes (expr.h, expr_eval.secrets). Wherever one of them
 * occurs in a text for people, as it is or in hex or base64, "********" stands instead. Allocates in the run's arena.
 */
#pragma once

#include <stdbool.h>

#include "tasks/arena.h"
#include "tasks/expr/expr.h"

#define SECRET_MASK "********"

struct secret_forms;

struct secrets {
	const struct expr_secret *values; /* newest first; expr_eval.secrets points here */
	/* The forms of those up to `known`, made when they are first looked for. */
	const struct expr_secret *known;
	const struct secret_forms *forms;
};

/* Adds a secret value that no expression read. False: no memory. */
bool secrets_add(struct secrets *secrets, struct arena *arena, const char *at, size_t len);

/* Masks what is secret in a text; *found, which may be NULL, tells whether anything was. False: no memory. */
bool secrets_mask(struct secrets *secrets, struct arena *arena, struct value *text, bool *found);
