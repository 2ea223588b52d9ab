/*
 * value.h - what an expression yields, and what a resource holds.
 *
 * `struct value` is dynamically typed (TASKS.md section 4); `struct lwm2m_value` is one resource's value in
 * the type of its object definition (OMA TS Core appendix C), ready for an encoder. Text and bytes are
 * borrowed, from the task, the environment or the evaluation's arena; they need not end in NUL.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tasks/diag.h"

enum value_kind {
	VALUE_NULL,
	VALUE_STRING,
	VALUE_BYTES,
	VALUE_BOOLEAN,
	VALUE_INTEGER, /* 64-bit signed */
	VALUE_DOUBLE,
	VALUE_LIST,
};

struct value {
	enum value_kind kind;
	bool secret; /* what an environment gives, and nobody may see (expr.h, expr_eval.secrets) */
	bool generated; /* of a variable or setting: random characters went into it (expr_eval.generated) */
	union {
		struct {
			const char *at;
			size_t len;
		} text; /* STRING (UTF-8) and BYTES */
		bool boolean;
		int64_t integer;
		double real;
		struct {
			const struct value *items;
			size_t count;
		} list;
	};
};

const char *value_kind_name(enum value_kind kind); /* "string", "bytes", ... */

enum lwm2m_type {
	LWM2M_STRING,
	LWM2M_INTEGER,
	LWM2M_UNSIGNED,
	LWM2M_FLOAT,
	LWM2M_BOOLEAN,
	LWM2M_OPAQUE,
	LWM2M_TIME,
	LWM2M_OBJLNK,
	LWM2M_CORELNK,
	LWM2M_NONE, /* executable: has no value */
};

const char *lwm2m_type_name(enum lwm2m_type type);    /* "string", "integer", ... */
int lwm2m_type_by_name(const char *name, size_t len); /* enum lwm2m_type, or -1 */

struct lwm2m_value {
	enum lwm2m_type type;
	union {
		struct {
			const uint8_t *at;
			size_t len;
		} bytes;         /* STRING, CORELNK, OPAQUE */
		int64_t integer; /* INTEGER, TIME */
		uint64_t number; /* UNSIGNED */
		double real;
		bool boolean;
		struct {
			uint16_t object, instance;
		} link;
	};
};

/* Ids of a path; -1 is absent. A path names an object, an instance, a resource or a resource instance. */
struct lwm2m_path {
	int32_t object, instance, resource, resource_instance;
};

/* One value at its place; encoders take them sorted by path. */
struct lwm2m_record {
	struct lwm2m_path path;
	struct lwm2m_value value;
};
