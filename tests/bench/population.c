#include "tests/bench/population.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/core/coap/coap_defs.h"

enum {
	OWNER = 16, /* what the control side keeps in front of a batch */
	ALIGN = 8,
	PAYLOAD_SECURITY = 66,
	PAYLOAD_SERVER = 18,
};

const uint8_t population_key[POPULATION_KEY] = "0123456789abcde";

static void *
need(void *memory)
{
	if (!memory) {
		fprintf(stderr, "out of memory\n");
		exit(1);
	}
	return memory;
}

void
population_name(uint32_t number, char name[POPULATION_NAME])
{
	memcpy(name, "urn:imei:", 9);
	for (int i = POPULATION_NAME - 1; i >= 9; i--, number /= 10)
		name[i] = (char)('0' + number % 10);
}

/* ---- batches ---- */

struct step_text {
	uint8_t code, expect;
	const char *options;
	uint8_t options_len, payload_len;
};

static size_t
put_step(void *at, const struct step_text *text)
{
	struct batch_step *step = (struct batch_step *)at;

	*step = (struct batch_step){ .code = text->code,
				     .expect = text->expect,
				     .options_len = text->options_len,
				     .payload_len = text->payload_len };
	memcpy(step->bytes, text->options, text->options_len);
	memset(step->bytes + text->options_len, 'x', text->payload_len);
	return (sizeof *step + text->options_len + text->payload_len + ALIGN - 1) / ALIGN * ALIGN;
}

static const struct step_text put_security = { COAP_PUT, BATCH_EXPECT_WRITE,
					       "\xb1\x30\x01\x32\x12\x2d\x16", 7,
					       PAYLOAD_SECURITY };
static const struct step_text put_server = { COAP_PUT, BATCH_EXPECT_WRITE,
					     "\xb1\x31\x01\x30\x12\x2d\x16", 7, PAYLOAD_SERVER };
static const struct step_text finish = { COAP_POST, BATCH_EXPECT_FINISH, "\xb2\x62\x73", 3, 0 };

/* One block, the device's own steps behind the pointers. */
static struct batch *
batch_new(const struct batch_step *shared)
{
	size_t head = sizeof(struct batch) + POPULATION_STEPS * sizeof(struct batch_step *);
	uint8_t *block = need(malloc(OWNER + head + 2 * (sizeof(struct batch_step) + 80)));
	struct batch *batch = (struct batch *)(block + OWNER);
	uint8_t *at = (uint8_t *)batch + head;

	*batch = (struct batch){ .format = FORMAT_TLV, .n_steps = POPULATION_STEPS };
	batch->steps[0] = (struct batch_step *)at;
	at += put_step(at, &put_security);
	batch->steps[1] = (struct batch_step *)at;
	put_step(at, &put_server);
	batch->steps[2] = shared;
	return batch;
}

/* ---- the whole ---- */

static void
add_device(struct population *population, uint32_t number)
{
	struct directory_retired retired;
	struct device_entry *old, *entry;
	char name[POPULATION_NAME];

	population_name(number, name);
	entry = need(device_entry_new(number, name, sizeof name, NULL, 0, population_key,
				      sizeof population_key));
	population->entries[number] = entry;
	population->batches[number] = batch_new(population->finish);
	atomic_store(&entry->batch, population->batches[number]);
	if (directory_put(population->directory, entry, &old, &retired) != 0)
		need(NULL);
	free(retired.blocks[0]);
	free(retired.blocks[1]);
}

void
population_init(struct population *population, uint32_t n)
{
	*population = (struct population){
		.n = n,
		.entries = need(calloc(n, sizeof population->entries[0])),
		.batches = need(calloc(n, sizeof population->batches[0])),
		.finish = need(malloc(sizeof(struct batch_step) + 8)),
	};
	put_step(population->finish, &finish);
	atomic_store(&population->directory,
		     need(directory_new(n, (const uint8_t *)"another seed 16")));
	for (uint32_t i = 0; i < n; i++)
		add_device(population, i);
}

void
population_fini(struct population *population)
{
	directory_free(population->directory);
	for (uint32_t i = 0; i < population->n; i++) {
		device_entry_free(population->entries[i]);
		free((uint8_t *)population->batches[i] - OWNER);
	}
	free(population->finish);
	free(population->entries);
	free(population->batches);
}

double
population_bytes_each(const struct population *population)
{
	const void *batch = (uint8_t *)population->batches[0] - OWNER;

	return (double)directory_bytes(population->directory) / population->n +
	       (double)malloc_usable_size(population->entries[0]) +
	       (double)malloc_usable_size((void *)(uintptr_t)batch) + 2 * sizeof(size_t);
}
