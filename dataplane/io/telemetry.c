#include "dataplane/io/telemetry.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <rte_telemetry.h>

_Static_assert(COUNTERS <= RTE_TEL_MAX_DICT_ENTRIES, "all counters are one answer");

/* At file scope, as DPDK's callbacks have no context. */
static struct {
	pthread_mutex_t lock; /* held while an answer is made */
	const struct dataplane *dp;
	bool registered; /* DPDK forgets no command */
} telemetry = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The worker that the parameter names; -1 when it is no worker's number. */
static int
named_worker(const struct dataplane *dp, const char *params, struct dataplane_worker_info *info)
{
	char *end;
	unsigned long worker;

	if (!params || *params < '0' || *params > '9')
		return -1;
	worker = strtoul(params, &end, 10);
	if (*end || worker >= DATAPLANE_WORKERS_MAX ||
	    dataplane_worker_info(dp, (unsigned)worker, info) < 0)
		return -1;
	return (int)worker;
}

static int
put_counters(const struct dataplane *dp, const char *params, struct rte_tel_data *data)
{
	struct dataplane_worker_info info;
	struct counters counters;
	int worker = -1;

	if (params && *params && (worker = named_worker(dp, params, &info)) < 0)
		return -EINVAL;
	dataplane_counters(dp, worker, &counters);
	rte_tel_data_start_dict(data);
	for (unsigned i = 0; i < COUNTERS; i++)
		rte_tel_data_add_dict_u64(data, counter_infos[i].name, counters.value[i]);
	for (const struct counter_alias *alias = counter_aliases; alias->name; alias++)
		rte_tel_data_add_dict_u64(data, alias->name, counters.value[alias->counter]);
	return 0;
}

static int
put_workers(const struct dataplane *dp, const char *params, struct rte_tel_data *data)
{
	struct dataplane_worker_info info;

	rte_tel_data_start_array(data, RTE_TEL_INT_VAL);
	for (unsigned i = 0; dataplane_worker_info(dp, i, &info) == 0; i++)
		rte_tel_data_add_array_int(data, (int)i);
	return 0;
}

static int
put_worker(const struct dataplane *dp, const char *params, struct rte_tel_data *data)
{
	struct dataplane_worker_info info;

	if (named_worker(dp, params, &info) < 0)
		return -EINVAL;
	rte_tel_data_start_dict(data);
	rte_tel_data_add_dict_int(data, "cpu", info.cpu);
	rte_tel_data_add_dict_u64(data, "sessions", info.gauges.sessions);
	rte_tel_data_add_dict_u64(data, "running", info.gauges.running);
	rte_tel_data_add_dict_u64(data, "lingering", info.gauges.lingering);
	rte_tel_data_add_dict_u64(data, "capacity", info.gauges.capacity);
	rte_tel_data_add_dict_u64(data, "turns", info.turns);
	rte_tel_data_add_dict_u64(data, "busy_turns", info.busy_turns);
	rte_tel_data_add_dict_u64(data, "cycles", info.cycles);
	rte_tel_data_add_dict_u64(data, "busy_cycles", info.busy_cycles);
	rte_tel_data_add_dict_u64(data, "cycles_per_s", dataplane_cycles_per_s());
	rte_tel_data_add_dict_u64(data, "longest_turn_cycles", info.longest_turn_cycles);
	rte_tel_data_add_dict_string(data, "longest_step", info.longest_step);
	return 0;
}

static const struct {
	const char *name, *help;
	int (*put)(const struct dataplane *dp, const char *params, struct rte_tel_data *data);
} commands[] = {
	{ "/cradle/counters", "Cradle's counters. Parameters: int worker, none: of all",
	  put_counters },
	{ "/cradle/workers", "Cradle's workers, by number. Takes no parameters", put_workers },
	{ "/cradle/worker", "A worker of Cradle. Parameters: int worker", put_worker },
};

static int
answer(const char *command, const char *params, struct rte_tel_data *data)
{
	int result = -EINVAL;

	pthread_mutex_lock(&telemetry.lock);
	for (size_t i = 0; telemetry.dp && i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(commands[i].name, command) == 0)
			result = commands[i].put(telemetry.dp, params, data);
	pthread_mutex_unlock(&telemetry.lock);
	return result;
}

static void
point_at(const struct dataplane *dp)
{
	pthread_mutex_lock(&telemetry.lock);
	telemetry.dp = dp;
	pthread_mutex_unlock(&telemetry.lock);
}

void
telemetry_attach(const struct dataplane *dp)
{
	point_at(dp);
	/* Without room for a command it is not there: the control socket has the same numbers. */
	for (size_t i = 0; !telemetry.registered && i < sizeof commands / sizeof commands[0]; i++)
		(void)rte_telemetry_register_cmd(commands[i].name, answer, commands[i].help);
	telemetry.registered = true;
}

void
telemetry_detach(void)
{
	point_at(NULL);
}
