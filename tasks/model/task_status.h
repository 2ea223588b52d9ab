/*
 * task_status.h - what becomes of a task, and how loud its logs are: the words of <finish> and <log>. Pure.
 */
#pragma once

/* TASK_REGISTERED: it went well, and the LwM2M server says that the device came. No task says so of itself. */
enum task_status {
	TASK_NOT_STARTED,
	TASK_IN_PROGRESS,
	TASK_SUCCESS,
	TASK_WARNING,
	TASK_ERROR,
	TASK_REGISTERED
};
const char *task_status_name(enum task_status status); /* "NotStarted", "InProgress", ... */

enum task_log_level {
	TASK_LOG_TRACE,
	TASK_LOG_DEBUG,
	TASK_LOG_INFO,
	TASK_LOG_WARNING,
	TASK_LOG_ERROR
};
