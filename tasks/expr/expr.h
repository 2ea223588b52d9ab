/*
 * expr.h - templates and expressions of the task language (TASKS.md section 4).
 *
 * A template is literal text with ${ expression } parts. It is parsed and checked once when its task is
 * loaded, and evaluated per device. Parsed templates are immutable and live in the arena they were
 * parsed into. Evaluation has no side effects, bounded depth and bounded memory (the arena's limit).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tasks/arena.h"
#include "tasks/diag.h"
#include "tasks/value.h"

/* How far a template's value can be known ahead; the order matters: the larger wins. */
enum expr_depends {
	EXPR_CONSTANT, /* the same for every device, but for the variables it uses */
	EXPR_DEVICE,   /* setting values, device attributes */
	EXPR_SESSION, /* bootstrap event, secure random: made once per session on the control side */
};

/* Every name a template can ask its surroundings for. Pointers returned must live until the evaluation's
 * arena is reset. Any callback may be NULL: then its names read as null. */
struct expr_env {
	void *ctx;
	/* A computed setting value (device, then groups), or VALUE_NULL where it is not set. One that nobody may
	 * see is marked as `secret`; so may be what the next ones give. */
	struct value (*setting)(void *ctx, const char *name, size_t len);
	/*
	 * Attributes of a root; VALUE_NULL where the device has none:
	 *   device  id endpointName identity domain      strings (id may be an integer)
	 *           groups directGroups                  lists of strings
	 *           creationTime lastBootstrapTime       integers, seconds since 1970
	 *   lwm2m   bootstrapEvent                       string
	 *           version                              string: the least one that the device can be of
	 *           preferredContentFormat               integer
	 *   task    id name group                        strings
	 *           priority                             integer
	 * device.property.NAME comes as ("property", NAME).
	 *
	 * In templates of a certificate (template_parse_certificate) instead of all these:
	 *   cert    cn serialNumber serial fingerprint spki      strings
	 *   cert.san  uri dns                            strings: the first of its kind
	 *           uris dnsNames                        lists of strings
	 */
	struct value (*attribute)(void *ctx, const char *root, const char *name, size_t len);
	/* True when the device is in the group or in one below it. */
	bool (*in_group)(void *ctx, const char *group, size_t len);
	/* One cell of a CSV resource: res.ALIAS.by(column).get(key).wanted, or VALUE_NULL. */
	struct value (*resource)(void *ctx, const char *alias, size_t alias_len, const char *column,
				 size_t column_len, const char *key, size_t key_len,
				 const char *wanted, size_t wanted_len);
	/* Cryptographically strong bytes; 0 or -errno. */
	int (*random)(void *ctx, uint8_t *bytes, size_t len);
};

struct template;

/* A variable (#name) or a setting value of one evaluation. Later definitions hide earlier ones. */
struct expr_var {
	const char *name;
	size_t name_len;
	struct value value; /* VALUE_STRING: these are text */
	const struct expr_var *next;
};

/* A secret value that an evaluation has read or made. */
struct expr_secret {
	const char *at;
	size_t len;
	const struct expr_secret *next;
};

/* Adds a value that the list does not have; false: no memory. */
bool expr_secret_add(const struct expr_secret **list, struct arena *arena, const char *at,
		     size_t len);

struct expr_eval {
	const struct expr_env *env;
	struct arena *arena; /* temporaries of this evaluation */
	const struct expr_var *vars;
	/* Setting values that hide the environment's (null: removed), and those that stand in where it has none. */
	const struct expr_var *settings, *defaults;
	size_t *work; /* what all evaluations of a run may do, counted in bytes handled; NULL: each has its own bound alone */
	/* NULL, or the list that secret values go to: marked ones that are read, and those of
	 * string.secureRandom(). */
	const struct expr_secret **secrets;
	bool generated;  /* set, never cleared: string.random() or secureRandom() was asked, or what was made of it read */
	bool costly;     /* set, never cleared: a pattern had too many ways to match */
	char error[256]; /* why template_eval() failed, one sentence without final dot */
};

/*
 * Parses `len` bytes of template text. `place` is where the text's first byte stands; problems are
 * added with the column of the offending byte. `known_vars` may be NULL; a use of #name is not checked
 * against it here (undefined is an error that `?` recovers, at evaluation).
 * Returns the template, or NULL after adding at least one error. Never recurses deeper than 64. An
 * expression that reads nothing and always fails is an error here, and one that is constant is evaluated.
 */
struct template *template_parse(struct arena *arena, const char *text, size_t len,
				const struct place *place, struct diag_list *diags);

/* The same for what is made out of a certificate, before any device is known: its one root is `cert`, and there are no
 * variables and nothing random, so one certificate always makes the same. */
struct template *template_parse_certificate(struct arena *arena, const char *text, size_t len,
					    const struct place *place, struct diag_list *diags);

enum expr_depends template_depends(const struct template *template);
/* Whether it searches with a pattern: without one, no evaluation is ever `costly`. */
bool template_has_pattern(const struct template *template);

/* True when the template is literal text alone; then *text and *len are that text. No text at all is
 * literal, too, and evaluates to null: an empty attribute is none. */
bool template_is_literal(const struct template *template, const char **text, size_t *len);

/* The variables that it reads, on which its value depends, too: one a call, some of them more than once;
 * *cursor begins as NULL. False at the end. */
bool template_next_var(const struct template *template, const void **cursor, const char **name,
		       size_t *len);
/* A look-up in a table: res.ALIAS.by('BY').get(...).WANTED; `by` is NULL where it is computed. Not terminated. */
struct expr_table_use {
	const char *alias, *by, *wanted;
	size_t alias_len, by_len, wanted_len;
	const struct expr_table_use *next;
};
/* The next of the template's look-ups, the first for NULL; NULL at the end. */
const struct expr_table_use *template_next_table(const struct template *template,
						 const struct expr_table_use *after);
/* The same for the settings whose names stand in it: sv.NAME, sv.get('NAME'). */
bool template_next_setting(const struct template *template, const void **cursor, const char **name,
			   size_t *len);

/* Kinds of value that evaluation can yield, as a bit set of (1u << enum value_kind): static checking. */
unsigned template_kinds(const struct template *template);

/*
 * Evaluates. 0 and *out, or -1 and eval->error. A template of exactly one ${...} keeps the value's kind,
 * anything else is a string; null inside mixed text is an error.
 */
int template_eval(const struct template *template, struct expr_eval *eval, struct value *out)
	__attribute__((warn_unused_result));
