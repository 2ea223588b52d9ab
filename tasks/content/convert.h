/*
 * convert.h - a value of the task language to the value of a resource (TASKS.md section 3).
 *
 * The literal text of an attribute is read as the resource's type. What an expression yields has a
 * type of its own and is not guessed at: the string '123' is no integer (.toInt makes it one).
 */
#pragma once

#include <stdbool.h>

#include "tasks/arena.h"
#include "tasks/objects/objects.h"
#include "tasks/value.h"

struct convert {
	enum lwm2m_type type;
	/* Its name for messages, and its range; NULL: unknown. */
	const struct resource_def *resource;
	struct arena *arena; /* for bytes made from hex */
	/* Literal text of a task: read by type, and shown in errors. A computed value may be secret. */
	bool literal;
	char error[256]; /* why it failed, one sentence without final dot */
};

/* Converts one value (no list). 0, or -1 and convert->error. Text and bytes stay borrowed where
 * they can. */
int value_convert(struct convert *convert, const struct value *value, struct lwm2m_value *out)
	__attribute__((warn_unused_result));

/* Kinds of value that can become the type, as a bit set of (1u << enum value_kind). */
unsigned convert_kinds(enum lwm2m_type type);

/* True when a task may say `given` for a resource whose definition says `defined`: the
 * definition's goes out. */
bool lwm2m_types_agree(enum lwm2m_type given, enum lwm2m_type defined);
