/* pack_group.h - what a run as a Bootstrap-Pack remembers, for compile_pack.c and pack_group.c. */
#pragma once

#include "tasks/compile/compile_internal.h"

enum { PACK_DELETES_MAX = 32 };

/* What the tasks so far have written. */
struct pack_mark {
	struct lwm2m_record *records;
	unsigned n_records, n_writes, n_deletes;
};

struct pack {
	const struct pack_request *request;
	struct pack_mark mark;
	int32_t deletes[PACK_DELETES_MAX]; /* objects that must be in the pack */
	unsigned n_deletes;
	char refusal[TASK_SUMMARY_MAX]; /* why there is no pack, or empty */
};
