#include "tasks/model/task_vars.h"

#include <stdint.h>
#include <string.h>

#include "tasks/hash.h"

static unsigned
bucket_of(const char *name, size_t len)
{
	return hash32_bytes(HASH32_EMPTY, name, len) % VAR_BUCKETS;
}

struct known_var *
task_vars_find(const struct task_vars *vars, const char *name, size_t len)
{
	struct known_var *var = vars->buckets[bucket_of(name, len)];

	while (var && (var->len != len || memcmp(var->name, name, len)))
		var = var->next;
	return var;
}

/* The variable, known from now on. Without memory any name is. */
static struct known_var *
know_var(struct task_vars *vars, const char *name, size_t len)
{
	struct known_var *var = task_vars_find(vars, name, len);
	struct known_var **bucket = &vars->buckets[bucket_of(name, len)];

	if (var)
		return var;
	var = arena_alloc(vars->arena, sizeof *var);
	if (!var) {
		vars->any_name = true;
		return NULL;
	}
	*var = (struct known_var){ .name = name, .len = len, .next = *bucket };
	*bucket = var;
	return var;
}

void
task_vars_define(struct task_vars *vars, const char *name, size_t len)
{
	struct known_var *var = know_var(vars, name, len);

	if (var)
		var->definitions++;
}

void
task_vars_use(struct task_vars *vars, const struct template *template)
{
	const void *cursor = NULL;
	const char *name;
	size_t len;

	while (template_next_var(template, &cursor, &name, &len)) {
		struct known_var *var = know_var(vars, name, len);

		if (var)
			var->used = true;
	}
}

bool
task_vars_uses_open(const struct task_vars *vars, const struct template *template)
{
	const void *cursor = NULL;
	const char *name;
	size_t len;

	if (vars->any_name)
		return true;
	while (template_next_var(template, &cursor, &name, &len)) {
		const struct known_var *var = task_vars_find(vars, name, len);

		if (!var || !var->constant)
			return true;
	}
	return false;
}
