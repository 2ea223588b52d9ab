/*
 * reload_plan.h - what a reload would do, without doing it: the checks of a reload, and what it comes to for every
 * device (forecast.h).
 *
 * Control thread; workers' events are answered meanwhile. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "control/policy/policy.h"
#include "control/text.h"

struct service;

struct reload_plan {
	struct service *service;
	const struct policy_source
		*changed; /* files of the policy folder in place of those on disk */
	unsigned n_changed;
	const char *task; /* only devices that run the task of this id; NULL: all */
	void (*tell)(void *ctx, uint32_t done, uint32_t total); /* NULL: nobody asks */
	bool (*cancelled)(void *ctx);                           /* NULL: never */
	void *ctx;
};

/*
 * 0; -EINVAL: the change is refused, with every diagnostic, or devices would fail that do not now; -ECANCELED: called
 * off; -ENOMEM. What there is to say in `text` either way. *result: a new reference.
 */
int reload_plan_run(const struct reload_plan *plan, struct text *text, json_t **result);
