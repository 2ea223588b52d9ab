#include "tasks/model/task_status.h"

const char *
task_status_name(enum task_status status)
{
	static const char *const names[] = {
		[TASK_NOT_STARTED] = "NotStarted",
		[TASK_IN_PROGRESS] = "InProgress",
		[TASK_SUCCESS] = "Success",
		[TASK_WARNING] = "Warning",
		[TASK_ERROR] = "Error",
		[TASK_REGISTERED] = "Registered",
	};

	return (unsigned)status <= TASK_REGISTERED ? names[status] : "Unknown";
}
