#include "control/runs/compile_many.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/runs/service.h"

enum {
	THREADS_USUAL = 8, /* beyond them, what the control thread does alone is most of it */
	PIECES = COMPILE_AT_ONCE / COMPILE_PIECE,
	PIECE_ARENA_MAX = 8 << 20,
	FEW_US = 500, /* of a call: below it the next one names twice as many ... */
	MANY_US = 1500, /* ... and above it half as many */
};

static_assert((unsigned)PIECES >= (unsigned)WORK_THREADS_MAX, "a piece for each thread");

struct made_run {
	const struct device *device;
	const struct task_set *set;
	struct compiled_run compiled;
	const struct plan_content *content; /* in the piece's arena; NULL: out of memory */
};

/* What one thread compiles in a row. Neighbours mostly come to the same plan: its content is kept once. */
struct piece {
	unsigned n;
	struct arena arena;
	const struct plan_content *last;
	struct made_run runs[COMPILE_PIECE];
};

struct compile_many {
	struct service *service;
	struct work_threads *threads;
	struct run_maker *makers[WORK_THREADS_MAX];
	struct compiler *compilers[WORK_THREADS_MAX];
	struct piece pieces[PIECES];
	unsigned n, taken;
	unsigned per_piece; /* devices of a piece, but for the last one */
	unsigned room;
	const struct plan_content *content; /* of the run taken last; NULL: none */
	struct plan *plan;                  /* and its plan, held */
};

/* ---- the threads ---- */

static char *
keep_summary(struct piece *piece, const char *summary, bool *whole)
{
	char *copy = summary ? arena_copy(&piece->arena, summary, strlen(summary)) : NULL;

	*whole &= !summary || copy;
	return copy;
}

/* The maker's own is gone with its next compilation. */
static const struct plan_content *
keep_content(struct piece *piece, const struct plan_content *content)
{
	size_t size = content->n_tasks * sizeof content->tasks[0];
	struct plan_content *copy = arena_alloc(&piece->arena, sizeof *copy);
	struct plan_task *tasks = arena_alloc(&piece->arena, size ? size : 1);
	bool whole = copy && tasks;

	if (!whole)
		return NULL;
	*copy = *content;
	copy->tasks = tasks;
	for (unsigned i = 0; i < content->n_tasks; i++) {
		tasks[i] = content->tasks[i];
		tasks[i].summary = keep_summary(piece, content->tasks[i].summary, &whole);
	}
	return whole ? copy : NULL;
}

static void
compile_one(const struct compile_many *many, unsigned thread, struct piece *piece,
	    struct made_run *made)
{
	const struct run_request request = { .device = made->device,
					     .format = made->device->format };

	if (!made->set)
		return;
	run_maker_compile(many->makers[thread], many->service, &request, made->set,
			  many->compilers[thread], &made->compiled);
	if (!piece->last || !plan_content_is(piece->last, &made->compiled.content))
		piece->last = keep_content(piece, &made->compiled.content);
	made->content = piece->last;
}

static void
compile_piece(void *ctx, unsigned thread, unsigned number)
{
	struct compile_many *many = ctx;
	struct piece *piece = &many->pieces[number];

	for (unsigned i = 0; i < piece->n; i++)
		compile_one(many, thread, piece, &piece->runs[i]);
}

/* ---- the control thread ---- */

static unsigned
threads_wanted(const struct service *service)
{
	unsigned wanted = service->config->compile_threads;
	unsigned cpus = (unsigned)CPU_COUNT(&service->free_cpus);

	if (!wanted)
		wanted = THREADS_USUAL;
	return wanted < cpus ? wanted : cpus;
}

static bool
make_tools(struct compile_many *many)
{
	unsigned n = work_threads_count(many->threads);

	for (unsigned i = 0; i < n; i++) {
		many->makers[i] = run_maker_new();
		many->compilers[i] = generation_compiler(many->service->generation, i);
		if (!many->makers[i] || !many->compilers[i])
			return false;
	}
	return n > 1;
}

struct compile_many *
compile_many_begin(struct service *service)
{
	const struct work_way way = { .n = threads_wanted(service),
				      .cpus = &service->free_cpus,
				      .begin = service->helper_begins };
	struct compile_many *many = way.n > 1 ? calloc(1, sizeof *many) : NULL;

	if (!many)
		return NULL;
	many->service = service;
	many->room = COMPILE_PIECE;
	for (unsigned i = 0; i < PIECES; i++)
		arena_init(&many->pieces[i].arena, PIECE_ARENA_MAX);
	many->threads = work_threads_new(&way);
	if (many->threads && make_tools(many))
		return many;
	compile_many_end(many);
	return NULL;
}

/* The plan is held for it. */
static void
remember(struct compile_many *many, const struct plan_content *content, struct plan *plan)
{
	plan_release(&many->service->plans, many->plan);
	many->plan = plan;
	many->content = plan ? content : NULL;
}

static void
add(struct compile_many *many, unsigned number, const struct device *device)
{
	struct service *service = many->service;
	struct piece *piece = &many->pieces[number / many->per_piece];

	if (number % many->per_piece == 0) {
		arena_reset(&piece->arena);
		piece->last = NULL;
		piece->n = 0;
	}
	piece->runs[piece->n++] = (struct made_run){
		.device = device,
		.set = generation_task_set(service->generation, &service->inventory,
					   device->groups),
	};
}

/* A device may take a microsecond or a thousand. */
static unsigned
room_after(unsigned room, unsigned n, uint64_t took_us)
{
	if (took_us > MANY_US)
		return n > 1 ? n / 2 : 1;
	if (took_us < FEW_US && n >= room)
		return room * 2 < COMPILE_AT_ONCE ? room * 2 : COMPILE_AT_ONCE;
	return room;
}

unsigned
compile_many_room(const struct compile_many *many)
{
	return many->room;
}

/* Where there are few, each thread gets some. */
static unsigned
divide(unsigned n, unsigned threads)
{
	unsigned each = (n + threads - 1) / threads;

	return each < COMPILE_PIECE ? each : COMPILE_PIECE;
}

void
compile_many(struct compile_many *many, struct device *const *devices, unsigned n)
{
	struct service *service = many->service;

	uint64_t begun_us = clock_now_us();

	assert(n && n <= COMPILE_AT_ONCE && many->taken == many->n);
	many->n = n;
	many->taken = 0;
	many->per_piece = divide(n, work_threads_count(many->threads));
	remember(many, NULL, NULL);
	/* First: sets that are worked out may move those that are. */
	for (unsigned i = 0; i < n; i++)
		(void)generation_task_set(service->generation, &service->inventory,
					  devices[i]->groups);
	for (unsigned i = 0; i < n; i++)
		add(many, i, devices[i]);
	work_threads_run(many->threads, (n + many->per_piece - 1) / many->per_piece, compile_piece,
			 many);
	many->room = room_after(many->room, n, clock_now_us() - begun_us);
}

/* Held for one run more; NULL: out of memory. By the run's own batch: that of the content may be gone. */
static struct plan *
plan_of(struct compile_many *many, const struct made_run *made)
{
	struct plan_content content;

	if (!made->content)
		return NULL;
	content = *made->content;
	content.batch = made->compiled.batch;
	if (made->content != many->content)
		remember(many, made->content, plan_intern(&many->service->plans, &content));
	if (many->plan)
		plan_hold(many->plan);
	return many->plan;
}

int
compile_many_take(struct compile_many *many, struct device_run *run)
{
	struct piece *piece = &many->pieces[many->taken / many->per_piece];
	struct made_run *made = &piece->runs[many->taken % many->per_piece];

	many->taken++;
	return device_run_conclude(&made->compiled, made->set, plan_of(many, made), run);
}

void
compile_many_end(struct compile_many *many)
{
	if (!many)
		return;
	assert(many->taken == many->n);
	remember(many, NULL, NULL);
	work_threads_free(many->threads);
	for (unsigned i = 0; i < WORK_THREADS_MAX; i++)
		run_maker_free(many->makers[i]);
	for (unsigned i = 0; i < PIECES; i++)
		arena_fini(&many->pieces[i].arena);
	free(many);
}
