/* The store as files: a copy of it while it is in use, and the keys under which its secrets are sealed. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/cluster/cluster.h"
#include "control/commands/commands.h"
#include "control/store/store_backup.h"

enum {
	MB = 1000000,
	COMMIT_WAIT_MS = 60000,
};

static const char *
own_name(char *name, size_t size)
{
	const struct passwd *user = getpwuid(geteuid());

	if (user)
		snprintf(name, size, "%s", user->pw_name);
	else
		snprintf(name, size, "%u", (unsigned)geteuid());
	return name;
}

/*
 * We may write where the client may not: so only a folder of the client's own is taken, that no one else may
 * enter, and that is empty (each file is made new). Root lends us one, where we are another user.
 */
static bool
is_private_folder(struct call *call)
{
	struct stat found;
	char name[64];

	uid_t client = call->request->peer.uid, ours = geteuid();

	if (fstat(call->fd, &found) < 0 || !S_ISDIR(found.st_mode) || (found.st_mode & 077) ||
	    (found.st_uid != client && (client != 0 || found.st_uid != ours))) {
		call_refuse(call, CTL_REFUSED, "the folder must be yours, and closed to everybody else");
		return false;
	}
	if (ours == 0 || found.st_uid == ours)
		return true;
	call_refuse(call, CTL_REFUSED,
		    "the folder is closed to the appliance, which runs as another user: `install -d -m 0700 -o %s %s` "
		    "makes one that it may write to",
		    own_name(name, sizeof name), call->arguments[0]);
	return false;
}

static void
tell_progress(struct call *call, const struct store_backup_progress *progress)
{
	if (progress->of)
		call_tell(call, "copying the store: %llu of %llu MB",
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
	call_may_cancel(call);
	while (backup && !progress.over && !call_cancelled(call)) {
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

/* ---- keys ---- */

/* The keys that seal now, and the former ones that still may: what is stored could not be read without them. */
static bool
has_those_in_use(struct call *call, const struct keyring *keyring)
{
	struct store_info info;
	char id[KEK_ID_TEXT_MAX];

	store_info(call->service->store, &info);
	for (unsigned i = 0; i < keyring->n; i++)
		if (strcmp(kek_id_text(keyring->keks[i].id, id), info.kek) == 0)
			return true;
	if (!info.kek[0])
		return true;
	call_refuse(call, CTL_REFUSED,
		    "the key %s, which seals what is stored, is not among them: put the new one in front "
		    "of it, and take it out when the store is sealed anew",
		    info.kek);
	return false;
}

static bool
take_keys(struct call *call)
{
	struct store *store = call->service->store;
	char error[KEYRING_ERROR_MAX];
	struct keyring keyring = { 0 };
	int result = 0;

	if (!store)
		call_refuse(call, CTL_REFUSED, "there is no store");
	else if (!call->service->config->kek)
		call_refuse(call, CTL_REFUSED,
			    "no `kek` is set: nothing can be sealed; set it and start again");
	else if (keyring_load(call->service->config->kek, &keyring, error) < 0)
		call_refuse(call, CTL_REFUSED, "kek: %s", error);
	else if (has_those_in_use(call, &keyring))
		result = store_use_keys(store, &keyring);
	keyring_wipe(&keyring);
	if (result < 0)
		call_refuse(call, CTL_REFUSED,
			    result == -EBUSY ? "another change is being written: try again"
					     : "out of memory");
	return call->exit == CTL_DONE;
}

/* Some devices, in a change of their own, so that others get their turn. False: it failed. */
static bool
reseal_some(struct call *call, uint32_t *next, uint64_t *n)
{
	struct store *store = call->service->store;
	struct store_change *change = store_change_begin(store);
	char error[STORE_ERROR_MAX];
	unsigned sealed;

	if (!change) { /* of a device that bootstraps */
		pump_run(&call->service->pump);
		return true;
	}
	store_change_reseal(change, *next);
	if (store_change_commit(change, COMMIT_WAIT_MS, &call->service->pump, error) < 0) {
		call_refuse(call, CTL_REFUSED, "stopped after %llu devices, the rest is as it was: %s",
			    (unsigned long long)*n, error);
		return false;
	}
	*next = store_resealed(store, &sealed);
	*n += sealed;
	return true;
}

static bool
reseal_devices(struct call *call, uint64_t *n)
{
	const uint32_t above = call->service->inventory.next_id;

	call_may_cancel(call);
	for (uint32_t next = 0; next != STORE_RESEALED_ALL;) {
		if (call_cancelled(call)) {
			call_refuse(call, CTL_REFUSED,
				    "cancelled after %llu devices, the rest is as it was; `store rekey` "
				    "goes on",
				    (unsigned long long)*n);
			return false;
		}
		if (!reseal_some(call, &next, n))
			return false;
		call->client_gone |= !ctl_progress(call->request, "sealing devices: %u %%",
						   (unsigned)(next < above
								      ? (uint64_t)next * 100 / above
								      : 100));
	}
	return true;
}

static bool
reseal_logs(struct call *call)
{
	char error[STORE_ERROR_MAX];

	for (int64_t place = 0; place >= 0; place = store_resealed_logs(call->service->store)) {
		store_reseal_logs(call->service->store, place);
		if (store_flush(call->service->store, COMMIT_WAIT_MS, &call->service->pump, error) < 0) {
			call_refuse(call, CTL_REFUSED, "devices are sealed, logs of reports not all: %s",
				    error);
			return false;
		}
	}
	return true;
}

void
command_store_rekey(struct call *call)
{
	struct store_info info;
	uint64_t n = 0;

	if (!take_keys(call) || !reseal_devices(call, &n) || !reseal_logs(call))
		return;
	store_note_all_resealed(call->service->store);
	store_info(call->service->store, &info);
	text_show(&call->text, "%llu device%s sealed anew; all is under the key %s\n",
		  (unsigned long long)n, PLURAL(n), info.kek);
	/* Rows there are sealed by whoever writes them, under the key that he has in front then. */
	if (cluster_is_joined(call->service->cluster))
		text_show(&call->text, "what the cluster's database has stays under the key that it was "
				       "sealed with: keep former keys in `kek`, on every member\n");
	call->result = json_pack("{s:I, s:s}", "devices", (json_int_t)n, "kek", info.kek);
}
