/*
 * commands.h - what cradlectl can ask for: one table makes the dispatcher, the help, the manual
 * and shell completion.
 *
 * A command's function gets its words checked against the table and fills text for people and a
 * result for machines. Control thread. Nothing here waits, and nothing a client asks can stall a
 * worker.
 */
#pragma once

#include <stdbool.h>

#include "control/commands/call.h"

struct daemon;

/* A ctl_handler; ctx is the daemon. */
void commands_serve(void *ctx, const struct ctl_request *request, struct ctl_answer *answer);
/* A ctl_may: the same. */
bool commands_may_run_while_busy(void *ctx, int argc, const char *const *argv);

/* From the loop: what a drain waited for has come. */
void health_turn(struct daemon *daemon, uint64_t now_ms);

/* Help and completion without a daemon. Prints; returns the exit code. */
int commands_help_offline(const char *word);
int commands_completion_offline(const char *shell);

/* The table: requests are found in it, help and completion are made of it. */
extern const struct command commands[];
extern const unsigned n_commands;

void command_status(struct call *call);
void command_stats(struct call *call);
void command_turns(struct call *call);
void command_phases(struct call *call);
/* What it says of a worker, -1: of all. */
void command_phases_of(struct call *call, int worker);
void command_watch(struct call *call);
void command_check(struct call *call);
void command_policy_log(struct call *call);
void command_policy_show(struct call *call);
void command_policy_diff(struct call *call);
void command_policy_revert(struct call *call);
void command_reload(struct call *call);
void command_stop(struct call *call);
void command_upgrade(struct call *call);
void command_health(struct call *call);
void command_drain(struct call *call);
void command_undrain(struct call *call);
void command_log_level(struct call *call);
void command_help(struct call *call);
void command_complete(struct call *call);
void command_completion(struct call *call);
void command_setting_list(struct call *call);
void command_audit_list(struct call *call);
void command_audit_verify(struct call *call);
void command_cluster_init(struct call *call);
void command_cluster_join(struct call *call);
void command_cluster_leave(struct call *call);
void command_cluster_promote_local(struct call *call);
void command_cluster_status(struct call *call);
void command_cluster_policy_pull(struct call *call);
void command_cluster_policy_push(struct call *call);
void command_cluster_policy_diff(struct call *call);
void command_store_backup(struct call *call);
void command_store_rekey(struct call *call);
void command_store_restore(struct call *call);
void command_task_list(struct call *call);
void command_task_check(struct call *call);
void command_task_plan(struct call *call);
void command_task_show(struct call *call);
void command_task_source(struct call *call);
void command_task_words(struct call *call);
void command_task_add(struct call *call);
void command_task_edit(struct call *call);
void command_task_copy(struct call *call);
void command_task_pause(struct call *call);
void command_task_resume(struct call *call);
void command_task_remove(struct call *call);
void command_server_list(struct call *call);
void command_server_show(struct call *call);
void command_server_add(struct call *call);
void command_server_edit(struct call *call);
void command_server_remove(struct call *call);
void command_group_list(struct call *call);
void command_group_show(struct call *call);
void command_group_add(struct call *call);
void command_group_edit(struct call *call);
void command_group_remove(struct call *call);
void command_group_value_set(struct call *call);
void command_group_value_unset(struct call *call);
void command_device_list(struct call *call);
void command_device_show(struct call *call);
void command_device_profile(struct call *call);
void command_device_add(struct call *call);
void command_device_edit(struct call *call);
void command_device_remove(struct call *call);
void command_device_registered(struct call *call);
void command_device_value_set(struct call *call);
void command_device_value_unset(struct call *call);
void command_device_import(struct call *call);
void command_device_export(struct call *call);
void command_why(struct call *call);
void command_task_preview(struct call *call);
void command_trace_start(struct call *call);
void command_trace_show(struct call *call);
void command_trace_stop(struct call *call);
void command_device_rejected(struct call *call);
void command_trust_list(struct call *call);
void command_trust_check(struct call *call);
void command_trust_add_anchor(struct call *call);
void command_trust_add_crl(struct call *call);
void command_trust_add_own(struct call *call);
void command_trust_set_anchor(struct call *call);
void command_trust_set_own(struct call *call);
void command_trust_remove_anchor(struct call *call);
void command_trust_remove_crl(struct call *call);
void command_trust_remove_own(struct call *call);
void command_trust_deny(struct call *call);
void command_trust_allow(struct call *call);
void command_device_created(struct call *call);
void command_outbox_list(struct call *call);
void command_outbox_show(struct call *call);
void command_outbox_retry(struct call *call);
void command_outbox_drop(struct call *call);
void command_unknown_list(struct call *call);
void command_unknown_adopt(struct call *call);
void command_job_list(struct call *call);
void command_job_show(struct call *call);
void command_job_wait(struct call *call);
void command_job_cancel(struct call *call);
void command_session_list(struct call *call);
void command_session_show(struct call *call);
void command_report_list(struct call *call);
void command_report_show(struct call *call);
void command_rollout_start(struct call *call);
void command_rollout_show(struct call *call);
void command_rollout_advance(struct call *call);
void command_rollout_halt(struct call *call);
void command_rollout_abort(struct call *call);
void command_rollout_finish(struct call *call);
void command_task_reports(struct call *call);
void command_task_rerun(struct call *call);
void command_task_rerun_failed(struct call *call);
