#include "control/daemon_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/address.h"
#include "control/cluster/cluster.h"
#include "control/config/config_cpus.h"
#include "control/daemon_sources.h"
#include "control/file_replace.h"
#include "control/file_set.h"
#include "control/guard/thread_guard.h"
#include "control/log.h"
#include "control/runs/events.h"
#include "control/runs/trust_publish.h"
#include "control/startup.h"
#include "dataplane/ec/ec_threads.h"

enum {
	REAP_TURNS = 1000,
	LAST_SEND_MS = 1000, /* to the cluster, at the end */
};

/* ---- dataplane and helper threads ---- */

static unsigned
curves_take(void *dp, struct ec_job **jobs, unsigned n)
{
	return dataplane_ec_take(dp, jobs, n);
}

static void
curves_give(void *dp, struct ec_job *job)
{
	dataplane_ec_give(dp, job);
}

static void
curves_wait(void *dp, int timeout_ms)
{
	dataplane_ec_wait(dp, timeout_ms);
}

static void
curves_wake(void *dp)
{
	dataplane_ec_wake(dp);
}

static void
helper_begins(void)
{
	thread_guard_enter(THREAD_HELPER);
}

int
daemon_open_curves(struct daemon *daemon)
{
	const struct config *config = daemon->service.config;
	const struct ec_way way = { curves_take, curves_give,        curves_wait,
				    curves_wake, daemon->service.dp, helper_begins };
	char error[EC_ERROR_MAX];
	cpu_set_t cpus;

	if (!config->curve_threads)
		return 0;
	if (config->curve_cpus)
		(void)config_cpus(config->curve_cpus, &cpus);
	daemon->service.curves = ec_threads_new(&way, config->curve_threads,
						config->curve_cpus ? &cpus : NULL, error);
	if (!daemon->service.curves) {
		log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "%s", error);
		return -1;
	}
	return trust_publish(&daemon->service) < 0 ? -1 : 0;
}

/* Beside a process that serves, its workers poll; where it does not tell, that may be anywhere. */
static void
leave_to_former(const struct standby *standby, cpu_set_t *cpus)
{
	if (standby->fd < 0)
		return;
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (!standby->knows_polled || CPU_ISSET(cpu, &standby->polled))
			CPU_CLR(cpu, cpus);
}

void
daemon_find_free_cpus(struct daemon *daemon)
{
	struct service *service = &daemon->service;
	struct dataplane_worker_info info;

	service->helper_begins = helper_begins;
	service->free_cpus = daemon->cpus;
	leave_to_former(&daemon->standby, &service->free_cpus);
	for (unsigned i = 0; service->dp && dataplane_worker_info(service->dp, i, &info) == 0; i++)
		if (info.cpu >= 0 && info.cpu < CPU_SETSIZE)
			CPU_CLR((size_t)info.cpu, &service->free_cpus);
}

static void
worker_begins(void)
{
	thread_guard_enter(THREAD_WORKER);
}

int
daemon_open_dataplane(struct daemon *daemon)
{
	char error[DATAPLANE_ERROR_MAX];
	struct dataplane_config *config = calloc(1, sizeof *config);

	if (!config) {
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL, "out of memory");
		return -1;
	}
	config_dataplane(daemon->service.config, config);
	config->log_fd = daemon->log_pipe[1];
	if (daemon->standby.prefix[0])
		config->file_prefix = daemon->standby.prefix;
	config->beside = daemon->standby.fd >= 0;
	config->worker_begins = worker_begins;
	daemon->service.dp = dataplane_new(config, error);
	free(config);
	if (!daemon->service.dp) {
		daemon_read_dpdk_log(daemon);
		log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "%s", error);
		return -1;
	}
	daemon_find_free_cpus(daemon);
	if (startup_drop_privileges() < 0)
		return -1;
	dataplane_publish_directory(daemon->service.dp, daemon->service.inventory.directory);
	return 0;
}

int
daemon_start_dataplane(struct daemon *daemon)
{
	char error[DATAPLANE_ERROR_MAX];

	if (dataplane_start(daemon->service.dp, error) < 0) {
		log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "%s", error);
		return -1;
	}
	return 0;
}

static void
stop_sessions(struct daemon *daemon)
{
	dataplane_stop(daemon->service.dp);
	do
		(void)events_take(&daemon->service);
	while (daemon->service.events_left);
}

/* They are another process's, which tells what becomes of them: not a byte may be sent for them here. */
static void
forget_sessions(struct daemon *daemon)
{
	struct service *service = &daemon->service;
	struct session_event events[64];
	uint16_t workers[64];

	for (uint32_t i = 0; i < service->live.used; i++)
		if (service->live.places[i])
			live_end(service, inventory_at(&service->inventory,
						       service->live.places[i]->device));
	dataplane_abandon(service->dp);
	while (dataplane_events(service->dp, events, workers, 64))
		;
}

void
daemon_close_dataplane(struct daemon *daemon)
{
	if (!daemon->service.dp)
		return;
	ec_threads_free(daemon->service.curves);
	daemon->service.curves = NULL;
	traced_fini(&daemon->service.traced);
	if (daemon->passed_on || daemon->standby.fd >= 0)
		forget_sessions(daemon);
	else
		stop_sessions(daemon);
	worker_commands_fini(&daemon->service.worker_commands);
	for (unsigned i = 0; i < REAP_TURNS && dataplane_reap(daemon->service.dp); i++)
		;
	dataplane_publish_directory(daemon->service.dp, NULL);
	dataplane_free(daemon->service.dp);
	daemon->service.dp = NULL;
}

/* ---- the policy's folder ---- */

/* What a command that was killed began: to its end, before anything of the folder is read. */
static void
recover_policy(const char *folder)
{
	struct text said;
	int result;

	text_init(&said);
	result = file_set_recover(folder, &said);
	if (result > 0)
		log_event(SEVERITY_WARNING, LOG_EVENT_policy_recovered, NULL, "%s: %s", folder,
			  text_str(&said));
	else if (result < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_policy_recovered, NULL,
			  "%s: a change of its files was interrupted, and cannot be ended: %s%s",
			  folder, strerror(-result), file_remedy(-result));
	text_fini(&said);
}

void
daemon_sweep_policy(const struct config *config)
{
	static const char *const below[] = { "tasks", "resources" };
	char path[4096 + 16];
	unsigned swept;

	recover_policy(config->policy);
	if (file_set_is_open(config->policy))
		return;
	swept = file_sweep(config->policy);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", config->policy, below[i]);
		swept += file_sweep(path);
	}
	if (swept)
		log_notice("%s: %u half-written files of an appliance that was killed were removed",
			   config->policy, swept);
}

/* ---- the cluster ---- */

/* The keys for the database are those of the store. */
static struct cluster *
new_cluster(struct daemon *daemon, const struct keyring *keyring, char error[CLUSTER_ERROR_MAX])
{
	const struct config *config = daemon->service.config;
	char host[CLUSTER_NAME_MAX] = "", forward[CLUSTER_ROUTE_TEXT_MAX] = "";
	struct dataplane_address address;
	struct cluster_options options = {
		.name = config->cluster_name,
		.database = config->cluster_database,
		.secret_file = config->cluster_secret,
		.member_name = host,
		.member = config->cluster_member,
		.poll_ms = config->cluster_poll_ms,
		.horizon_s = config->cluster_horizon_s,
		.forward = forward,
		.keyring = keyring->n ? keyring : NULL,
	};
	uint64_t revision;
	const char *joined = store_cluster(daemon->service.store, &revision);

	if (gethostname(host, sizeof host - 1) < 0 || !*host)
		snprintf(host, sizeof host, "member-%u", config->cluster_member);
	if (config->cluster_forward && address_parse(config->cluster_forward, &address) == 0)
		cluster_route_format(address.addr, (uint16_t)config->cluster_forward_port, forward);
	return cluster_new(&options, joined, revision, error);
}

int
daemon_open_cluster(struct daemon *daemon)
{
	const struct config *config = daemon->service.config;
	struct keyring keyring = { 0 };
	char error[CLUSTER_ERROR_MAX];
	uint64_t revision;
	int result = 0;

	if (!config->cluster_name && !store_cluster(daemon->service.store, &revision))
		return 0;
	if (config->kek)
		result = keyring_load(config->kek, &keyring, error);
	if (result == 0) {
		daemon->service.cluster = new_cluster(daemon, &keyring, error);
		result = daemon->service.cluster ? 0 : -EINVAL;
	}
	keyring_wipe(&keyring);
	if (result < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "cluster: %s", error);
	else if (cluster_is_detached(daemon->service.cluster))
		log_event(SEVERITY_WARNING, LOG_EVENT_cluster_trouble, NULL,
			  "the store is a replica of the cluster \"%s\", which is not configured: "
			  "devices are served, and "
			  "nothing can be changed",
			  cluster_name(daemon->service.cluster));
	return result;
}

void
daemon_close_cluster(struct daemon *daemon)
{
	/* Where another process took over, or this one never did, what waits is that one's. */
	bool ours = !daemon->passed_on && daemon->standby.fd < 0;
	size_t left = ours ? replica_send_all(&daemon->service, LAST_SEND_MS) : 0;

	if (left)
		log_event(SEVERITY_WARNING, LOG_EVENT_cluster_trouble, NULL,
			  "what changed of %zu devices did not reach the cluster's database", left);
	cluster_free(daemon->service.cluster);
	daemon->service.cluster = NULL;
}
