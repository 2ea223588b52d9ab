/*
 * population.h - a directory full of devices, laid out in memory as the control side does it: an
 * entry and a batch of its own each, the Finish shared.
 *
 * The batch is that of the reference task: PUT /0/2, PUT /1/0, Finish. Names are fixed in length, so
 * that costs at different sizes differ by the size alone.
 */
#pragma once

#include <stdint.h>

#include "dataplane/core/tables/directory.h"

enum {
	POPULATION_NAME = 19, /* "urn:imei:" and ten digits */
	POPULATION_KEY = 16,
	POPULATION_STEPS = 3,
};

struct population {
	struct directory *_Atomic directory;
	uint32_t n;
	struct device_entry **entries;
	struct batch **batches;
	struct batch_step *finish;
};

/* Ends the program when memory is exhausted. */
void population_init(struct population *population, uint32_t n);
void population_fini(struct population *population);
/* Bytes of entries, batches and tables, a device. */
double population_bytes_each(const struct population *population);

/* The name of device `number`, without a NUL; and the key of all of them. */
void population_name(uint32_t number, char name[POPULATION_NAME]);
extern const uint8_t population_key[POPULATION_KEY];
