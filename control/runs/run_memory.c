#include "control/runs/run_memory.h"

#include <assert.h>
#include <errno.h>
#include <mbedtls/md.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "control/clock.h"
#include "control/runs/credentials.h"

enum { RANDOM_BLOCK = 32 };

void
run_memory_init(struct run_memory *memory)
{
	*memory = (struct run_memory){ 0 };
}

void
run_effect_free(struct run_effect *effect)
{
	explicit_bzero(effect->text, strlen(effect->text));
	free(effect->name);
	free(effect->text);
	free(effect);
}

static void
free_effects(struct run_memory *memory)
{
	while (memory->effects) {
		struct run_effect *effect = memory->effects;

		memory->effects = effect->next;
		run_effect_free(effect);
	}
	memory->effects_end = &memory->effects;
}

void
run_memory_fini(struct run_memory *memory)
{
	free_effects(memory);
	for (unsigned i = 0; i < memory->n_answers; i++) {
		explicit_bzero(memory->answers[i].bytes, memory->answers[i].len);
		free(memory->answers[i].bytes);
	}
	free(memory->answers);
	text_fini(&memory->log);
	credentials_free(memory->credentials);
	explicit_bzero(memory, sizeof *memory);
}

int
run_memory_answer(struct run_memory *memory, const struct run_answer *answer)
{
	struct run_answer *answers;
	uint8_t *bytes;

	assert(memory->n_answers <= RUN_ANSWERS_MAX);
	if (memory->n_answers == RUN_ANSWERS_MAX)
		return -E2BIG;
	answers = realloc(memory->answers, (memory->n_answers + 1) * sizeof *answers);
	if (!answers)
		return -ENOMEM;
	memory->answers = answers;
	bytes = malloc(answer->len ? answer->len : 1);
	if (!bytes)
		return -ENOMEM;
	if (answer->len)
		memcpy(bytes, answer->bytes, answer->len);
	answers[memory->n_answers] = *answer;
	answers[memory->n_answers++].bytes = bytes;
	return 0;
}

void
run_memory_effect(struct run_memory *memory, struct run_effect *effect)
{
	if (!memory->effects_end)
		memory->effects_end = &memory->effects;
	*memory->effects_end = effect;
	memory->effects_end = &effect->next;
}

int
run_memory_random(void *ctx, uint8_t *bytes, size_t len)
{
	const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
	struct run_memory *memory = ctx;
	uint8_t block[RANDOM_BLOCK];

	while (len) {
		size_t part = len < sizeof block ? len : sizeof block;

		if (mbedtls_md_hmac(sha256, memory->seed, sizeof memory->seed,
				    (const uint8_t *)&memory->drawn, sizeof memory->drawn, block))
			return -EIO;
		memory->drawn++;
		memcpy(bytes, block, part);
		bytes += part;
		len -= part;
	}
	explicit_bzero(block, sizeof block);
	return 0;
}

int
run_memory_begin(struct run_memory *memory)
{
	if (!memory->seeded) {
		if (getrandom(memory->seed, sizeof memory->seed, 0) != sizeof memory->seed)
			return -EIO;
		memory->seeded = true;
		memory->now_ms = clock_now_ms();
	}
	memory->drawn = 0;
	free_effects(memory);
	credentials_begin(memory);
	text_fini(&memory->log);
	return 0;
}
