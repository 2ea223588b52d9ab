/*
 * write.h - what the attributes of a <write> mean: the same when a task is loaded and when it is
 * compiled.
 */
#pragma once

#include <stddef.h>

#include "tasks/content/convert.h"
#include "tasks/objects/key.h"

enum { WRITE_ERROR_MAX = 256 };

/* 0 when the key names something that can be written; else -1 and a sentence about the key. */
int write_check_key(const struct key *key, char error[static WRITE_ERROR_MAX])
	__attribute__((warn_unused_result));

/* The type to write: `given` (attribute type; NULL when empty) must agree with the definition.
 * 0, or -1 and a sentence about the type. */
int write_type(const struct key *key, const char *given, size_t len, enum lwm2m_type *type,
	       char error[static WRITE_ERROR_MAX]) __attribute__((warn_unused_result));

/* True for types that a file's content can be: the bytes as they are, or as UTF-8 text. */
bool write_takes_file(enum lwm2m_type type);

/* Kinds that the value may have, as a bit set. */
unsigned write_kinds(const struct key *key, enum lwm2m_type type);

/*
 * The values to write: one, or as many as the list has, for a multiple resource. *values is in the
 * arena. 0, or -1 and convert->error.
 */
int write_values(struct convert *convert, const struct key *key, const struct value *value,
		 struct lwm2m_value **values, unsigned *n_values)
	__attribute__((warn_unused_result));

/* The text of a variable: variables are always text. 0, or -1 when the kind has none; then
 * *error says why. */
int value_text(const struct value *value, struct arena *arena, struct value *text,
	       const char **error) __attribute__((warn_unused_result));

/* A boolean, or the text "true" or "false". 0, or -1. */
int value_boolean(const struct value *value, bool *out) __attribute__((warn_unused_result));

/* A value list has at most so many items: instances of one resource. */
enum { WRITE_VALUES_MAX = 256 };
