#include "control/policy/policy_rollout.h"
#include "control/policy/policy_reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/hash.h"

enum { SEED_MAX = 600, SECONDS_MAX = 366 * 24 * 3600 };

static const struct conf_member members[] = {
	{ "former", "" },     { "percent", "" },     { "group", "" },        { "advance", "" },
	{ "since", "" },      { "halt_errors", "" }, { "halt_returns", "" }, { "halt_within", "" },
	{ "halt_after", "" }, { "halted", "" },
};

/* ---- its texts ---- */

int32_t
rollout_parse_percent(const char *text, size_t len)
{
	uint64_t whole = 0, part = 0, scale = ROLLOUT_PPM / 100;
	size_t i = 0, digits = 0;

	for (; i < len && text[i] >= '0' && text[i] <= '9' && whole <= 100; i++, digits++)
		whole = 10 * whole + (uint64_t)(text[i] - '0');
	if (i < len && text[i] == '.')
		for (i++; i < len && text[i] >= '0' && text[i] <= '9' && scale > 1; i++, digits++) {
			scale /= 10;
			part += scale * (uint64_t)(text[i] - '0');
		}
	whole = whole * (ROLLOUT_PPM / 100) + part;
	return i == len && digits && whole && whole <= ROLLOUT_PPM ? (int32_t)whole : -1;
}

/* "1h 10": the text behind it, or NULL. */
static const char *
parse_step(const char *text, struct rollout_step *step)
{
	static const char units[] = "smhdw";
	static const uint32_t seconds[] = { 1, 60, 3600, 86400, 604800 };
	char *end;
	unsigned long after = strtoul(text, &end, 10);
	const char *unit = *end ? strchr(units, *end) : NULL;
	int32_t ppm;
	size_t len;

	if (end == text || *text < '0' || *text > '9' || !unit ||
	    after > SECONDS_MAX / seconds[unit - units])
		return NULL;
	text = end + 1 + strspn(end + 1, " ");
	len = strspn(text, "0123456789.");
	ppm = rollout_parse_percent(text, len);
	*step = (struct rollout_step){ (uint32_t)after * seconds[unit - units], (uint32_t)ppm };
	return ppm < 0 ? NULL : text + len;
}

int
rollout_parse_steps(const char *text, struct rollout_step steps[ROLLOUT_STEPS_MAX])
{
	int n = 0;

	for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
		if (n == ROLLOUT_STEPS_MAX || !(text = parse_step(text, &steps[n])) ||
		    (n && steps[n].ppm <= steps[n - 1].ppm))
			return -1;
		n++;
		text += strspn(text, " ");
		if (*text && *text++ != ',')
			return -1;
	}
	return n;
}

bool
rollout_covers(const struct policy_rollout *rollout, const void *endpoint, size_t len)
{
	uint64_t hash = hash64_bytes(HASH64_EMPTY, rollout->seed, strlen(rollout->seed) + 1);

	hash = hash64_bytes(hash, endpoint, len);
	/* FNV's last bytes reach its lower bits alone (MurmurHash3's finalizer). */
	hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
	hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return (hash ^ hash >> 33) % ROLLOUT_PPM < rollout->ppm;
}

const struct rollout_step *
rollout_next_step(const struct policy_rollout *rollout)
{
	for (unsigned i = 0; i < rollout->n_steps; i++)
		if (rollout->group || rollout->steps[i].ppm > rollout->ppm)
			return &rollout->steps[i];
	return NULL;
}

/* ---- reading ---- */

static void __attribute__((format(printf, 3, 4)))
wrong(struct reading *reading, const config_setting_t *at, const char *format, ...)
{
	struct place place = conf_place(reading->conf, at);
	va_list args;

	va_start(args, format);
	diag_add(reading->diags, DIAG_ERROR, &place, format, args);
	va_end(args);
}

static const char *
read_text(struct reading *reading, const config_setting_t *member, const char *name)
{
	const char *text = conf_string(reading->conf, member, name, NULL, reading->diags);

	return text && *text ? policy_keep(reading, text) : NULL;
}

static void
read_part(struct reading *reading, const config_setting_t *member, struct policy_rollout *rollout)
{
	const config_setting_t *percent = config_setting_get_member(member, "percent");
	double said = !percent ? 0
		      : config_setting_type(percent) == CONFIG_TYPE_FLOAT
			      ? config_setting_get_float(percent)
			      : (double)config_setting_get_int(percent);

	rollout->group = read_text(reading, member, "group");
	if (!percent == !rollout->group)
		wrong(reading, member,
		      "say either percent or group: which devices run the new file");
	else if (percent && !(said >= 0 && said <= 100))
		wrong(reading, percent, "a number of 0 to 100");
	else
		rollout->ppm = (uint32_t)(said * (ROLLOUT_PPM / 100) + 0.5);
}

static void
read_advance(struct reading *reading, const config_setting_t *member,
	     struct policy_rollout *rollout)
{
	int n;

	rollout->advance = read_text(reading, member, "advance");
	n = rollout->advance ? rollout_parse_steps(rollout->advance, rollout->steps) : 0;
	if (n < 0)
		wrong(reading, config_setting_get_member(member, "advance"),
		      "times and rising percents, such as \"1h 10, 6h 50, 1d 100\"");
	rollout->n_steps = n > 0 ? (unsigned)n : 0;
}

static uint32_t
read_number(struct reading *reading, const config_setting_t *member, const char *name,
	    struct conf_range range)
{
	return (uint32_t)conf_number(reading->conf, member, name, range, reading->diags);
}

static void
read_halt(struct reading *reading, const config_setting_t *member, struct policy_rollout *rollout)
{
	const struct conf_range times = { 0, INT64_C(1) << 40, 0 };

	rollout->halt_errors = read_number(reading, member, "halt_errors",
					   (struct conf_range){ 0, 100, ROLLOUT_HALT_ERRORS });
	rollout->halt_returns = read_number(reading, member, "halt_returns",
					    (struct conf_range){ 0, 100, ROLLOUT_HALT_RETURNS });
	rollout->halt_within_s =
		read_number(reading, member, "halt_within",
			    (struct conf_range){ 0, SECONDS_MAX, ROLLOUT_HALT_WITHIN_S });
	rollout->halt_after = read_number(reading, member, "halt_after",
					  (struct conf_range){ 1, 1000000, ROLLOUT_HALT_AFTER });
	rollout->halted = read_text(reading, member, "halted");
	rollout->since_s =
		(uint64_t)conf_number(reading->conf, member, "since", times, reading->diags);
}

void
policy_read_rollout(struct reading *reading, const config_setting_t *task_member,
		    struct policy_task *task, rollout_load *load)
{
	const config_setting_t *member = config_setting_get_member(task_member, "rollout");
	struct place place = member ? conf_place(reading->conf, member) : (struct place){ 0 };
	size_t errors = reading->diags->errors;
	struct policy_rollout *rollout;
	const char *former;
	char seed[SEED_MAX];

	if (!member)
		return;
	if (!config_setting_is_group(member)) {
		wrong(reading, member, "a rollout is a group { former = \"...\"; percent = 1.0; }");
		return;
	}
	conf_check_members(reading->conf, member, members, COUNT(members), reading->diags);
	rollout = arena_alloc(reading->arena, sizeof *rollout);
	if (!rollout)
		return;
	*rollout = (struct policy_rollout){ 0 };
	read_part(reading, member, rollout);
	read_advance(reading, member, rollout);
	read_halt(reading, member, rollout);
	former = read_text(reading, member, "former");
	if (!former) {
		wrong(reading, member,
		      "\"former\" is missing here: the file that other devices run");
		return;
	}
	rollout->former = load(reading, former, &place);
	snprintf(seed, sizeof seed, "%s %s", former, task->file);
	rollout->seed = policy_keep(reading, seed);
	if (rollout->former && rollout->former->task && rollout->seed &&
	    reading->diags->errors == errors)
		task->rollout = rollout;
}
