/*
 * learner.h - learns what a system does as a Mealy machine (L*, Angluin 1987; counterexamples after Maler and Pnueli 1995).
 *
 * The system is a function from words of inputs to words of outputs that answers alike each time. Two prefixes are one
 * state when no suffix of a set tells them apart; what random words and every way through the machine with up to
 * LEARNER_DEPTH inputs beside it find otherwise becomes suffixes, until nothing is found. Deterministic: the random
 * words are the same each time. Allocates; header only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LEARNER_INPUTS = 16,
	LEARNER_STATES = 64,
	LEARNER_WORD = 40,
	LEARNER_SUFFIXES = 128,
	LEARNER_OUTPUTS = 64,
	LEARNER_NAME = 48,
	LEARNER_RANDOM = 8000, /* words */
	LEARNER_DEPTH = 1,     /* inputs beside each way to a state */
};

struct word {
	unsigned n;
	uint8_t at[LEARNER_WORD];
};

struct machine {
	unsigned n_inputs, n_states, n_outputs;
	char inputs[LEARNER_INPUTS][LEARNER_NAME], outputs[LEARNER_OUTPUTS][LEARNER_NAME];
	uint8_t next[LEARNER_STATES][LEARNER_INPUTS], output[LEARNER_STATES][LEARNER_INPUTS];
};

/* Runs the word from the start, and writes the name of the output of each input. */
typedef void learner_system(const struct word *word, char outputs[LEARNER_WORD][LEARNER_NAME]);

struct learner {
	learner_system *system;
	struct machine machine;
	struct word access[LEARNER_STATES], suffixes[LEARNER_SUFFIXES];
	unsigned n_suffixes;
	uint8_t rows[LEARNER_STATES][LEARNER_SUFFIXES][LEARNER_WORD];
	uint64_t seed;
	unsigned long queries;
};

static inline unsigned
machine_output(struct machine *machine, const char *name)
{
	unsigned i = 0;

	while (i < machine->n_outputs && strcmp(machine->outputs[i], name) != 0)
		i++;
	if (i == LEARNER_OUTPUTS)
		abort();
	if (i == machine->n_outputs)
		snprintf(machine->outputs[machine->n_outputs++], LEARNER_NAME, "%s", name);
	return i;
}

static inline void
learner_ask(struct learner *learner, const struct word *word, uint8_t outputs[LEARNER_WORD])
{
	static char names[LEARNER_WORD][LEARNER_NAME];

	learner->queries++;
	learner->system(word, names);
	for (unsigned i = 0; i < word->n; i++)
		outputs[i] = (uint8_t)machine_output(&learner->machine, names[i]);
}

static inline struct word
word_and(const struct word *a, const struct word *b)
{
	struct word both = *a;

	if (a->n + b->n > LEARNER_WORD)
		abort();
	memcpy(both.at + a->n, b->at, b->n);
	both.n += b->n;
	return both;
}

static inline struct word
word_of(unsigned input)
{
	return (struct word){ .n = 1, .at = { (uint8_t)input } };
}

/* ---- the table ---- */

static inline void
learner_row(struct learner *learner, const struct word *prefix,
	    uint8_t row[LEARNER_SUFFIXES][LEARNER_WORD])
{
	for (unsigned i = 0; i < learner->n_suffixes; i++) {
		const struct word word = word_and(prefix, &learner->suffixes[i]);
		uint8_t outputs[LEARNER_WORD];

		learner_ask(learner, &word, outputs);
		memset(row[i], 0, LEARNER_WORD);
		memcpy(row[i], outputs + prefix->n, learner->suffixes[i].n);
	}
}

/* The state with this row, or a new one. */
static inline unsigned
learner_state(struct learner *learner, const struct word *prefix)
{
	static uint8_t row[LEARNER_SUFFIXES][LEARNER_WORD];
	unsigned i = 0;

	learner_row(learner, prefix, row);
	while (i < learner->machine.n_states &&
	       memcmp(row, learner->rows[i], learner->n_suffixes * sizeof *row) != 0)
		i++;
	if (i == LEARNER_STATES)
		abort();
	if (i == learner->machine.n_states) {
		memcpy(learner->rows[i], row, sizeof row);
		learner->access[i] = *prefix;
		learner->machine.n_states++;
	}
	return i;
}

/* States in order of their shortest words: the same machine has the same numbers. */
static inline void
learner_build(struct learner *learner)
{
	struct machine *machine = &learner->machine;
	const struct word empty = { 0 };

	machine->n_states = 0;
	(void)learner_state(learner, &empty);
	for (unsigned s = 0; s < machine->n_states; s++)
		for (unsigned a = 0; a < machine->n_inputs; a++) {
			const struct word one = word_of(a);
			const struct word word = word_and(&learner->access[s], &one);

			machine->next[s][a] = (uint8_t)learner_state(learner, &word);
			machine->output[s][a] = learner->rows[s][a][0];
		}
}

/* ---- counterexamples ---- */

/* How much of the word the machine and the system agree on. */
static inline unsigned
learner_agreed(struct learner *learner, const struct word *word)
{
	uint8_t outputs[LEARNER_WORD];
	unsigned state = 0, i = 0;

	learner_ask(learner, word, outputs);
	while (i < word->n && outputs[i] == learner->machine.output[state][word->at[i]])
		state = learner->machine.next[state][word->at[i++]];
	return i;
}

static inline bool
learner_has_suffix(const struct learner *learner, const struct word *word)
{
	for (unsigned i = 0; i < learner->n_suffixes; i++)
		if (learner->suffixes[i].n == word->n &&
		    memcmp(learner->suffixes[i].at, word->at, word->n) == 0)
			return true;
	return false;
}

/* True: the word tells something new. */
static inline bool
learner_try(struct learner *learner, const struct word *word)
{
	unsigned agreed = learner_agreed(learner, word);

	if (agreed == word->n)
		return false;
	for (unsigned from = agreed + 1; from-- > 0;) {
		struct word suffix = { .n = agreed + 1 - from };

		memcpy(suffix.at, word->at + from, suffix.n);
		if (learner_has_suffix(learner, &suffix))
			continue;
		if (learner->n_suffixes == LEARNER_SUFFIXES)
			abort();
		learner->suffixes[learner->n_suffixes++] = suffix;
	}
	return true;
}

static inline unsigned
learner_random(struct learner *learner, unsigned below)
{
	learner->seed ^= learner->seed << 13;
	learner->seed ^= learner->seed >> 7;
	learner->seed ^= learner->seed << 17;
	return (unsigned)(learner->seed >> 33) % below;
}

/* From a state that is hard to come by as often as from the first one. */
static inline bool
learner_try_random(struct learner *learner)
{
	for (unsigned i = 0; i < LEARNER_RANDOM; i++) {
		struct word word =
			learner->access[learner_random(learner, learner->machine.n_states)];
		unsigned more = 1 + learner_random(learner, 10);

		while (more-- && word.n < LEARNER_WORD)
			word.at[word.n++] =
				(uint8_t)learner_random(learner, learner->machine.n_inputs);
		if (learner_try(learner, &word))
			return true;
	}
	return false;
}

/* Each state, up to `depth` inputs, each suffix (W-method, Chow 1978). */
static inline bool
learner_try_depth(struct learner *learner, const struct word *prefix, unsigned depth)
{
	for (unsigned i = 0; i < learner->n_suffixes; i++) {
		const struct word word = word_and(prefix, &learner->suffixes[i]);

		if (learner_try(learner, &word))
			return true;
	}
	for (unsigned a = 0; depth && a < learner->machine.n_inputs; a++) {
		const struct word one = word_of(a), word = word_and(prefix, &one);

		if (learner_try_depth(learner, &word, depth - 1))
			return true;
	}
	return false;
}

static inline bool
learner_find(struct learner *learner)
{
	if (learner_try_random(learner))
		return true;
	for (unsigned s = 0; s < learner->machine.n_states; s++)
		if (learner_try_depth(learner, &learner->access[s], LEARNER_DEPTH))
			return true;
	return false;
}

static inline void
learner_learn(struct learner *learner, learner_system *system, const char *const *inputs)
{
	memset(learner, 0, sizeof *learner);
	learner->system = system;
	learner->seed = 88172645463325252u;
	for (; inputs[learner->machine.n_inputs]; learner->machine.n_inputs++) {
		unsigned a = learner->machine.n_inputs;

		snprintf(learner->machine.inputs[a], LEARNER_NAME, "%s", inputs[a]);
		learner->suffixes[learner->n_suffixes++] = word_of(a);
	}
	do
		learner_build(learner);
	while (learner_find(learner));
}

/* ---- machines as graphs (DOT) ---- */

/* An edge a line, those without effect left out: what a state says nothing of leaves it as it is, in silence. */
static inline void
machine_write(const struct machine *machine, const char *title, FILE *out)
{
	fprintf(out, "// %s\ndigraph model {\n", title);
	for (unsigned s = 0; s < machine->n_states; s++)
		for (unsigned a = 0; a < machine->n_inputs; a++) {
			const char *output = machine->outputs[machine->output[s][a]];

			if (machine->next[s][a] != s || strcmp(output, "-") != 0)
				fprintf(out, "\ts%u -> s%u [label=\"%s / %s\"];\n", s,
					machine->next[s][a], machine->inputs[a], output);
		}
	fprintf(out, "}\n");
}

static inline int
machine_input(const struct machine *machine, const char *name)
{
	for (unsigned a = 0; a < machine->n_inputs; a++)
		if (strcmp(machine->inputs[a], name) == 0)
			return (int)a;
	return -1;
}

/* What machine_write() wrote, for the inputs of `like`. False: it is no such graph. */
static inline bool
machine_read(struct machine *machine, const struct machine *like, FILE *in)
{
	char line[256], label[128];
	unsigned from, to;

	memset(machine, 0, sizeof *machine);
	machine->n_inputs = like->n_inputs;
	memcpy(machine->inputs, like->inputs, sizeof machine->inputs);
	machine->n_states = 1;
	(void)machine_output(machine, "-");
	for (unsigned s = 0; s < LEARNER_STATES; s++)
		for (unsigned a = 0; a < machine->n_inputs; a++)
			machine->next[s][a] = (uint8_t)s;
	while (fgets(line, sizeof line, in)) {
		char *output;
		int input;

		if (sscanf(line, " s%u -> s%u [label=\"%127[^\"]", &from, &to, label) != 3)
			continue;
		output = strstr(label, " / ");
		if (!output || from >= LEARNER_STATES || to >= LEARNER_STATES)
			return false;
		*output = '\0';
		input = machine_input(machine, label);
		if (input < 0)
			return false;
		machine->next[from][input] = (uint8_t)to;
		machine->output[from][input] = (uint8_t)machine_output(machine, output + 3);
		if (from >= machine->n_states)
			machine->n_states = from + 1;
		if (to >= machine->n_states)
			machine->n_states = to + 1;
	}
	return true;
}

/* The shortest word that two machines with the same inputs answer differently; n 0: there is none. */
static inline struct word
machine_differ(const struct machine *a, const struct machine *b)
{
	static bool seen[LEARNER_STATES][LEARNER_STATES];
	static struct pair {
		uint8_t a, b;
		struct word word;
	} queue[LEARNER_STATES * LEARNER_STATES];
	unsigned head = 0, tail = 0;

	memset(seen, 0, sizeof seen);
	seen[0][0] = true;
	queue[tail++] = (struct pair){ 0 };
	while (head < tail) {
		const struct pair at = queue[head++];

		for (unsigned i = 0; i < a->n_inputs; i++) {
			const struct word one = word_of(i);
			const uint8_t na = a->next[at.a][i], nb = b->next[at.b][i];
			struct word word;

			if (at.word.n == LEARNER_WORD)
				continue;
			word = word_and(&at.word, &one);
			if (strcmp(a->outputs[a->output[at.a][i]],
				   b->outputs[b->output[at.b][i]]) != 0)
				return word;
			if (seen[na][nb])
				continue;
			seen[na][nb] = true;
			queue[tail++] = (struct pair){ na, nb, word };
		}
	}
	return (struct word){ 0 };
}

/* Whether an output with `what` in it can come without the input `gate`, ever. */
static inline bool
machine_reaches_without(const struct machine *machine, const char *what, int gate)
{
	bool seen[LEARNER_STATES] = { true };
	uint8_t queue[LEARNER_STATES] = { 0 };
	unsigned head = 0, tail = 1;

	while (head < tail) {
		unsigned s = queue[head++];

		for (unsigned a = 0; a < machine->n_inputs; a++) {
			if ((int)a == gate)
				continue;
			if (strstr(machine->outputs[machine->output[s][a]], what))
				return true;
			if (!seen[machine->next[s][a]]) {
				seen[machine->next[s][a]] = true;
				queue[tail++] = machine->next[s][a];
			}
		}
	}
	return false;
}
