#include "control/daemon_kept.h"

#include <errno.h>
#include <string.h>

#include "control/log.h"

static void
log_lost(const char *why)
{
	log_event(SEVERITY_WARNING, LOG_EVENT_associations_kept, NULL,
		  "associations that a crash left are not taken up: %s", why);
}

/* What the service manager kept for us; never in a process that takes over, as it did not start that. */
static void
take_inherited(struct kept_file *file)
{
	int fd = kept_file_inherited(), result;

	if (fd < 0)
		return;
	result = kept_file_take(file, fd);
	if (result == -EBUSY)
		log_lost("another process has their memory");
	else if (result == -EINVAL)
		log_lost("their memory is not sealed");
	else if (result < 0)
		log_lost(strerror(-result));
}

/* True: associations of the process before go on, and ours are kept in the same memory. */
static bool
restore(struct dataplane *dp, const struct kept_file *file)
{
	struct stack_restored restored;
	enum kept_found found = KEPT_FOUND_SETTINGS;

	if (file->size == dataplane_kept_size(dp))
		found = dataplane_restore(dp, file->memory, &restored);
	if (found != KEPT_FOUND_GOOD) {
		log_lost(kept_found_text(found));
		return false;
	}
	log_event(SEVERITY_NOTICE, LOG_EVENT_associations_kept, NULL,
		  "%u association%s outlived a crash; dropped: %u damaged, %u of devices that are not "
		  "in the inventory, %u for want of room",
		  restored.associations, restored.associations == 1 ? "" : "s", restored.damaged,
		  restored.unknown, restored.no_room);
	return true;
}

/* In new memory. */
static bool
keep(struct dataplane *dp, struct kept_file *file)
{
	size_t size = dataplane_kept_size(dp);
	int result = kept_file_make(file, size);

	if (result < 0) {
		log_event(SEVERITY_ERROR, LOG_EVENT_associations_kept, NULL,
			  "a crash will lose associations: no memory of %zu MB for them: %s",
			  size >> 20, strerror(-result));
		return false;
	}
	dataplane_keep(dp, file->memory);
	return true;
}

static void
give_to_manager(struct kept_file *file)
{
	if (kept_file_store(file))
		log_event(SEVERITY_NOTICE, LOG_EVENT_associations_kept, NULL,
			  "associations outlive a crash, in %zu MB when every session has had one",
			  (file->size >> 20) + 1);
	else
		log_event(SEVERITY_WARNING, LOG_EVENT_associations_kept, NULL,
			  "a crash will lose associations: keep_associations needs a service manager "
			  "that keeps memory for us (systemd, with FileDescriptorStoreMax=1 in the "
			  "unit)");
}

void
daemon_keep_associations(struct daemon *daemon)
{
	struct dataplane *dp = daemon->service.dp;
	struct kept_file *file = &daemon->kept;
	bool wanted = daemon->service.config->keep_associations && dataplane_kept_size(dp);

	if (daemon->standby.fd < 0)
		take_inherited(file);
	if (file->fd >= 0 && !wanted)
		log_lost("keep_associations is off");
	if (file->fd >= 0 && !(wanted && restore(dp, file)))
		kept_file_end(file);
	if (!wanted || (file->fd < 0 && !keep(dp, file)))
		return;
	give_to_manager(file);
}

void
daemon_forget_associations(struct daemon *daemon)
{
	kept_file_end(&daemon->kept);
}
