/* The store as files: a copy of it while it is in use. */
#include <assert.h>
#include <stdio.h>
#include <sys/stat.h>

#include "control/commands/commands.h"
#include "control/store/store_backup.h"

enum { MB = 1000000 };

/*
 * We may write where the client may not: so only a folder of the client's own is taken, that no one else may
 * enter, and that is empty (each file is made new).
 */
static bool
is_private_folder(struct call *call)
{
	struct stat found;

	if (fstat(call->fd, &found) == 0 && S_ISDIR(found.st_mode) &&
	    found.st_uid == call->request->peer.uid && !(found.st_mode & 077))
		return true;
	call_refuse(call, CTL_REFUSED, "the folder must be yours, and closed to everybody else");
	return false;
}

static void
tell_progress(struct call *call, const struct store_backup_progress *progress)
{
	if (progress->of)
		call->client_gone |= !ctl_progress(call->request, "copying the store: %llu of %llu MB",
						   (unsigned long long)(progress->bytes / MB),
						   (unsigned long long)(progress->of / MB));
}

void
command_store_backup(struct call *call)
{
	struct store_backup_progress progress = { 0 };
	char error[STORE_ERROR_MAX];
	struct store_backup *backup;

	if (!call->service->store)
		call_refuse(call, CTL_REFUSED, "there is no store");
	if (call->exit != CTL_DONE || !is_private_folder(call))
		return;
	backup = store_backup_begin(call->service->store, call->fd, error);
	while (backup && !progress.over) {
		store_backup_wait(backup, &progress);
		pump_run(&call->service->pump);
		tell_progress(call, &progress);
	}
	if (!backup || store_backup_end(backup, error) < 0) {
		call_refuse(call, CTL_REFUSED, "no copy was made: %s", error);
		return;
	}
	text_show(&call->text, "%llu MB copied to %s; `cradlectl store restore` takes it back\n",
		  (unsigned long long)(progress.bytes / MB), call->arguments[0]);
	call->result = json_pack("{s:I}", "bytes", (json_int_t)progress.bytes);
}

void
command_store_restore(struct call *call)
{
	call_refuse(call, CTL_REFUSED,
		    "the store is in use: stop the appliance, then run `cradlectl store restore %s` "
		    "on its machine",
		    call->arguments[0]);
}
