#include "control/runs/member_pass.h"

#include "control/cluster/cluster_pass.h"
#include "control/runs/pass_fields.h"
#include "control/runs/replica.h"
#include "control/runs/service.h"

enum {
	TEXTS = 4,
	OTHER_BYTES = 1 << 20, /* edits of its own, and members */
	UNSENT_BYTES = 64,
};

/* ---- saving ---- */

static size_t
reports_size(const struct cluster *cluster, bool tried)
{
	return cluster_pass_reports(cluster, tried)->count *
	       (TEXTS * (CLUSTER_REPORT_TEXT_MAX + 1) + 256);
}

size_t
member_pass_size(const struct service *service)
{
	if (!cluster_is_joined(service->cluster))
		return 0;
	return reports_size(service->cluster, true) + reports_size(service->cluster, false) +
	       OTHER_BYTES + service->replica.waiting.count * UNSENT_BYTES;
}

static void
save_report(struct record_writer *writer, const struct cluster_report *report, bool tried)
{
	record_begin(writer, PASSED_MEMBER_REPORT);
	record_put_number(writer, MEMBER_REPORT_TRIED, tried);
	record_put_text(writer, MEMBER_REPORT_ENDPOINT, report->endpoint);
	record_put_text(writer, MEMBER_REPORT_GROUP, report->group);
	record_put_text(writer, MEMBER_REPORT_TASK, report->task);
	record_put_text(writer, MEMBER_REPORT_SUMMARY, report->summary);
	record_put_number(writer, MEMBER_REPORT_STATUS, report->status);
	record_put_number(writer, MEMBER_REPORT_STARTED, report->started_ms);
	record_put_number(writer, MEMBER_REPORT_FINISHED, report->finished_ms);
	record_put_number(writer, MEMBER_REPORT_AT, report->at_ms);
	record_end(writer);
}

static void
save_reports(const struct cluster *cluster, bool tried, struct record_writer *writer)
{
	struct records_at at = { 0 };
	const struct report_record *record;
	struct cluster_report report;

	while ((record = records_next(cluster_pass_reports(cluster, tried), &at))) {
		cluster_report_of(record, &report);
		save_report(writer, &report, tried);
	}
}

static void
save_two(struct record_writer *writer, uint16_t kind, uint64_t first, uint64_t second)
{
	record_begin(writer, kind);
	record_put_number(writer, 1, first);
	record_put_number(writer, 2, second);
	record_end(writer);
}

static void
save_unsent(const struct service *service, struct record_writer *writer)
{
	const struct device_ring *waiting = &service->replica.waiting;

	for (size_t i = 0; i < waiting->count; i++) {
		uint32_t id = device_ring_at(waiting, i);
		const struct device *device = inventory_at(&service->inventory, id);

		if (!device || !device->unsent)
			continue;
		record_begin(writer, PASSED_MEMBER_UNSENT);
		record_put_number(writer, MEMBER_UNSENT_DEVICE, id);
		record_end(writer);
	}
}

void
member_pass_save(struct service *service, struct record_writer *writer)
{
	struct cluster *cluster = service->cluster;
	uint64_t seq, txn, revision;
	uint32_t member;

	if (!cluster_is_joined(cluster) || cluster_is_detached(cluster))
		return;
	if (cluster_pass_seq(cluster, &seq)) {
		record_begin(writer, PASSED_MEMBER);
		record_put_number(writer, MEMBER_SEQ, seq);
		record_end(writer);
	}
	save_reports(cluster, true, writer);
	save_reports(cluster, false, writer);
	for (size_t i = 0; cluster_pass_own(cluster, i, &txn, &revision); i++)
		save_two(writer, PASSED_MEMBER_EDIT, txn, revision);
	for (unsigned i = 0; cluster_pass_heard(cluster, i, &member, &seq); i++)
		save_two(writer, PASSED_MEMBER_HEARD, member, seq);
	save_unsent(service, writer);
}

/* ---- loading ---- */

static bool
load_report(struct cluster *cluster, struct record_reader *reader)
{
	static char texts[TEXTS][CLUSTER_REPORT_TEXT_MAX + 1]; /* of the control thread alone */
	const struct cluster_report report = {
		.endpoint = texts[0],
		.group = texts[1],
		.task = texts[2],
		.summary = texts[3],
		.status = (uint8_t)record_number(reader, MEMBER_REPORT_STATUS),
		.started_ms = record_number(reader, MEMBER_REPORT_STARTED),
		.finished_ms = record_number(reader, MEMBER_REPORT_FINISHED),
		.at_ms = record_number(reader, MEMBER_REPORT_AT),
	};

	for (unsigned i = 0; i < TEXTS; i++)
		record_text(reader, (uint8_t)(MEMBER_REPORT_ENDPOINT + i), texts[i],
			    sizeof texts[i]);
	return !reader->malformed && *texts[0] &&
	       cluster_take_report(cluster, &report,
				   record_number(reader, MEMBER_REPORT_TRIED) != 0);
}

static bool
load_unsent(struct service *service, struct record_reader *reader)
{
	uint64_t id = record_number(reader, MEMBER_UNSENT_DEVICE);
	struct device *device =
		id < UINT32_MAX ? inventory_at(&service->inventory, (uint32_t)id) : NULL;

	if (device)
		replica_device_changed(service, device);
	return !reader->malformed;
}

bool
member_pass_load(struct service *service, struct record_reader *reader)
{
	struct cluster *cluster = service->cluster;
	uint64_t first, second;

	if (reader->kind < PASSED_MEMBER || reader->kind > PASSED_MEMBER_UNSENT ||
	    !cluster_is_joined(cluster) || cluster_is_detached(cluster))
		return true;
	if (reader->kind == PASSED_MEMBER_REPORT)
		return load_report(cluster, reader);
	if (reader->kind == PASSED_MEMBER_UNSENT)
		return load_unsent(service, reader);
	first = record_number(reader, 1);
	second = record_number(reader, 2);
	if (reader->malformed)
		return false;
	if (reader->kind == PASSED_MEMBER_EDIT)
		return cluster_take_own(cluster, first, second);
	if (reader->kind == PASSED_MEMBER_HEARD)
		return first && first <= CLUSTER_MEMBER_NUMBER_MAX &&
		       cluster_take_heard(cluster, (uint32_t)first, second);
	cluster_take_seq(cluster, first);
	return true;
}
