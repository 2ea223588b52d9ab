#include "control/runs/reload_plan.h"

#include <errno.h>

#include "control/config/diag_text.h"
#include "control/runs/costly_tasks.h"
#include "control/runs/forecast.h"
#include "control/runs/reload_changes.h"
#include "control/runs/service.h"

/* One plan being made. */
struct planning {
	const struct reload_plan *plan;
	struct config *config;
	struct generation *generation;
	struct config_changes changes;
	struct diag_list diags;
};

/* As a reload prepares itself (reload.c), but that nothing gets a number: what is planned leaves no trace. */
static int
prepare(struct planning *planning)
{
	const struct reload_plan *plan = planning->plan;
	struct service *service = plan->service;
	struct diag_list *diags = &planning->diags;
	struct place place = { .file = service->config->file };

	planning->config = config_load(service->config->file, diags);
	if (!planning->config)
		return -EINVAL;
	planning->generation = generation_load_changed(
		planning->config,
		&(struct generation_source){ .number = service->last_number + 1,
					     .changed = plan->changed,
					     .n_changed = plan->n_changed },
		diags);
	if (!planning->generation || diags->errors)
		return -EINVAL;
	if (config_compare(service->config, planning->config, &planning->changes) < 0)
		diag_error(diags, &place, "out of memory");
	generation_find_tasks(planning->generation, &service->reports);
	generation_check_groups(planning->generation, &service->inventory, diags);
	generation_check_nosec(planning->config, &service->inventory, diags);
	if (!diags->errors)
		costly_tasks_check(service, planning->generation, diags);
	return diags->errors ? -EINVAL : 0;
}

static int
refuse(struct planning *planning, struct text *text, json_t **result)
{
	diag_text_put(&planning->diags, text);
	text_show(text, "it would be refused, with %zu error%s; nothing was changed\n",
		  planning->diags.errors, PLURAL(planning->diags.errors));
	*result =
		json_pack("{s:b, s:o}", "good", 0, "diagnostics", diag_text_json(&planning->diags));
	return -EINVAL;
}

/* What changes by name, then what that comes to. */
static void
put(struct planning *planning, const struct forecast *forecast, struct text *text, json_t **result)
{
	const struct generation *old = planning->plan->service->generation;

	*result = forecast_json(forecast);
	diag_text_put(&planning->diags, text);
	reload_put_tasks(old, planning->generation, text, *result);
	reload_put_settings(&planning->changes, true, text, *result);
	reload_put_settings(&planning->changes, false, text, *result);
	forecast_text(forecast, text);
	json_object_set_new(*result, "good", json_boolean(!forecast_has_errors(forecast)));
	json_object_set_new(*result, "generation", json_integer(old->number));
	json_object_set_new(*result, "diagnostics", diag_text_json(&planning->diags));
}

static int
look_ahead(struct planning *planning, struct text *text, json_t **result)
{
	const struct reload_plan *plan = planning->plan;
	struct forecast forecast = { .service = plan->service,
				     .generation = planning->generation,
				     .task = plan->task,
				     .tell = plan->tell,
				     .cancelled = plan->cancelled,
				     .ctx = plan->ctx };
	int status = forecast_run(&forecast);

	if (status == -ENOMEM)
		text_printf(text, "out of memory; nothing was changed\n");
	else
		put(planning, &forecast, text, result);
	if (status == 0 && forecast_has_errors(&forecast))
		status = -EINVAL;
	forecast_fini(&forecast);
	return status;
}

int
reload_plan_run(const struct reload_plan *plan, struct text *text, json_t **result)
{
	struct planning planning = { .plan = plan };
	int status;

	*result = NULL;
	diag_list_init(&planning.diags);
	status = prepare(&planning) < 0 ? refuse(&planning, text, result)
					: look_ahead(&planning, text, result);
	if (planning.generation)
		generation_release(planning.generation);
	config_changes_free(&planning.changes);
	config_free(planning.config);
	diag_list_fini(&planning.diags);
	return status;
}
