/*
 * cluster_reports.c - reports into a cluster's database as fast as it takes them, for bench_cluster.py.
 *
 * usage: cluster_reports DATABASE NAME SECRET MEMBER N
 * Sends N reports of N / 4 devices as a member does, and prints how long that took, in seconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "control/clock.h"
#include "control/cluster/cluster.h"
#include "control/cluster/cluster_report.h"

enum { WAITING_MAX = CLUSTER_REPORTS_MAX / 2, TASKS = 4 };

static uint64_t
waiting(struct cluster *cluster)
{
	static struct cluster_info info;

	cluster_info(cluster, &info);
	return info.reports_waiting;
}

static void
rest(void)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	nanosleep(&pause, NULL);
}

static void
put(struct cluster *cluster, unsigned long i)
{
	char endpoint[64], task[32];
	const struct cluster_report report = {
		.endpoint = endpoint,
		.group = "root.demo",
		.task = task,
		.summary = "all steps were accepted",
		.started_ms = clock_now_ms() - 250,
		.finished_ms = clock_now_ms(),
		.at_ms = clock_now_ms(),
	};

	snprintf(endpoint, sizeof endpoint, "urn:imei:%015lu", i / TASKS);
	snprintf(task, sizeof task, "task %lu", i % TASKS);
	cluster_put_report(cluster, &report);
}

int
main(int argc, char **argv)
{
	char error[CLUSTER_ERROR_MAX];
	struct cluster *cluster;
	unsigned long n;
	uint64_t begun_us;

	if (argc != 6)
		return 2;
	n = strtoul(argv[5], NULL, 10);
	cluster = cluster_new(
		&(struct cluster_options){ .name = argv[2],
					   .database = argv[1],
					   .secret_file = argv[3],
					   .member_name = "bench",
					   .member = (uint32_t)strtoul(argv[4], NULL, 10),
					   .poll_ms = 10000,
					   .horizon_s = 604800 },
		argv[2], 1, error);
	if (!cluster || cluster_start(cluster) < 0) {
		fprintf(stderr, "cluster_reports: %s\n", error);
		return 1;
	}
	begun_us = clock_now_us();
	for (unsigned long i = 0; i < n; i++) {
		put(cluster, i);
		while (i % 1024 == 0 && waiting(cluster) > WAITING_MAX)
			rest();
	}
	while (waiting(cluster))
		rest();
	printf("%.3f\n", (double)(clock_now_us() - begun_us) / 1e6);
	cluster_free(cluster);
	return 0;
}
