/*
 * forecast.h - what a changed policy would do to every device, before any device gets it.
 *
 * Each device that the change concerns is compiled under the new generation and held against what it would get now; then both
 * are forgotten. So there is never a second fleet in memory: what is kept is counts by path, causes and dangers with
 * some examples, in bounds that do not depend on how many devices there are. Devices are taken in slices;
 * workers' events are answered meanwhile, and whoever asked may call it off.
 *
 * Owner: the caller. Control thread. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "control/hash_index.h"
#include "control/runs/batch_compare.h"
#include "control/runs/frequent.h"
#include "control/runs/generation.h"
#include "control/text.h"

struct service;

enum {
	FORECAST_PATHS_MAX = 512,
	FORECAST_CAUSES_MAX = 64,
	FORECAST_HOSTS_MAX = 64,
	FORECAST_KNOWN_HOSTS_MAX = 4096,
	FORECAST_EXAMPLES = 3,
	FORECAST_SAMPLES = 5,
	FORECAST_SHARED_MAX = 5,
	FORECAST_DETAIL_MAX = 160,
	FORECAST_HOST_MAX = 64,
};

struct forecast_examples {
	unsigned n;
	struct {
		char endpoint[ENDPOINT_NAME_MAX + 1];
		char detail[FORECAST_DETAIL_MAX]; /* "coaps://a -> coaps://b"; "": nothing to add */
	} items[FORECAST_EXAMPLES];
};

/* Devices to which an operation is added, changed or taken away. */
struct forecast_path {
	struct operation operation; /* without its value */
	uint32_t devices[DIFFERENCE_REMOVED + 1];
};

/* Why a task cannot be compiled for a device. */
struct forecast_cause {
	char *task, *name,
		*text;    /* id, name, sentence; NULL, where there are more causes than room */
	uint32_t devices; /* that it could be compiled for until now */
	struct forecast_examples examples;
};

enum forecast_danger_kind {
	DANGER_LAST_SERVER,
	DANGER_NOTHING,
	DANGER_URI,
	DANGER_SSID,
	DANGER_ACCOUNT,
	DANGER_SHARED_KEY,
	DANGER_NEW_HOST,
	FORECAST_DANGERS
};
/* "last_server": for programs. */
extern const char *const forecast_danger_names[FORECAST_DANGERS];
/* As a sentence goes on behind "100 devices". */
extern const char *const forecast_danger_sentences[FORECAST_DANGERS];

struct forecast_danger {
	uint32_t devices;
	struct forecast_examples examples;
};

/* A host of a server's URI that devices are not sent to now. */
struct forecast_host {
	char name[FORECAST_HOST_MAX + 1];
	uint32_t devices;
	bool known; /* it is one of theirs after all */
	struct forecast_examples examples;
};

/* A device's writes side by side: lines that begin with ' ', '-', '+', or '~' (a secret with another value). */
struct forecast_sample {
	char endpoint[ENDPOINT_NAME_MAX + 1];
	struct text lines;
};

struct forecast {
	/* The caller's. */
	struct service *service;
	struct generation *generation; /* what shall be; what is: the service's */
	const char *task;              /* only devices that run the task of this id; NULL: all */
	void (*tell)(void *ctx, uint32_t done, uint32_t total);
	bool (*cancelled)(void *ctx);
	void *ctx;

	/* What came out of it. */
	bool abandoned;
	uint32_t devices;        /* that there are, and that the task is asked for of */
	uint32_t concerned;      /* compiled: something that their groups use changes */
	uint32_t changed;        /* whose writes differ */
	uint32_t failing;        /* whose tasks cannot be compiled any more */
	uint32_t failing_before; /* ... and could not until now either */
	uint32_t out_of_memory;
	uint32_t
		continuing; /* whose writes depend on their answers: compared up to the first question */
	struct forecast_path paths[FORECAST_PATHS_MAX];
	uint32_t n_paths, more_paths; /* differences of paths that there is no room for */
	struct forecast_cause causes[FORECAST_CAUSES_MAX];
	unsigned n_causes;
	struct forecast_danger dangers[FORECAST_DANGERS];
	struct forecast_host hosts[FORECAST_HOSTS_MAX];
	unsigned n_hosts;
	uint32_t more_hosts; /* devices whose new host there was no room for */
	struct frequent_item
		shared[FORECAST_SHARED_MAX]; /* keys that many devices would get: tag: the device */
	unsigned n_shared;
	struct forecast_sample samples[FORECAST_SAMPLES];
	unsigned n_samples;
	double seconds, cpu_s; /* from the beginning to the end; of the control thread */

	/* While it works. */
	struct arena arena;
	struct frequent keys;
	struct hash_index by_path;
	uint64_t *known_hosts; /* hashes, open addressing */
	uint32_t n_known_hosts;
	uint64_t shapes[FORECAST_SAMPLES]; /* of the samples: each shows another kind of change */
	uint8_t *by_groups;                /* enum of forecast.c, by numbers of inventory.groups */
	uint32_t n_by_groups;
};

/* 0; -ENOMEM; -ECANCELED: called off, with what was found so far. */
int forecast_run(struct forecast *forecast);
void forecast_fini(struct forecast *forecast);

/* Whether devices would fail that do not now: then the change is not to be made. */
static inline bool
forecast_has_errors(const struct forecast *forecast)
{
	return forecast->failing > 0;
}

/* For people, and for programs (a new reference). */
void forecast_text(const struct forecast *forecast, struct text *text);
json_t *forecast_json(const struct forecast *forecast);

/* ---- private: forecast_dangers.c, forecast_sample.c ---- */

/* A device at hand, with what it gets now and would get. */
struct forecast_device {
	const struct device *device;
	struct compared_batch before, after;
	const struct difference *differences;
	size_t n_differences;
};

void forecast_example(struct forecast_examples *examples, const struct device *device,
		      const char *detail);
/* 0 or -ENOMEM. */
int forecast_judge(struct forecast *forecast, const struct forecast_device *at);
/* Notes which hosts a batch sends to; of those that are new, which are not new after all. */
int forecast_note_hosts(struct forecast *forecast, const struct compared_batch *batch);
bool forecast_wants_hosts(const struct forecast *forecast);
void forecast_take_sample(struct forecast *forecast, const struct forecast_device *at);
