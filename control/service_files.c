#include "control/service_files.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/log.h"

enum { LEAVE_WAIT_MS = 10000 };

/* Before anything is read from the store. */
static int
take_keys(struct store *store, const char *source)
{
	char error[KEYRING_ERROR_MAX];
	struct keyring keyring;
	int result;

	if (!source)
		return 0;
	result = keyring_load(source, &keyring, error);
	if (result < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "kek: %s", error);
	else if ((result = store_use_keys(store, &keyring)) < 0)
		log_event(SEVERITY_ERROR, LOG_EVENT_out_of_memory, NULL, "out of memory");
	keyring_wipe(&keyring);
	return result;
}

int
service_files_open_store(struct service *service)
{
	const struct config *config = service->config;
	char error[STORE_ERROR_MAX];
	bool new = access(config->store, F_OK) < 0;

	service->store = store_open(config->store, error);
	if (!service->store) {
		log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "%s", error);
		return -1;
	}
	if (new)
		log_event(
			SEVERITY_WARNING, LOG_EVENT_store_trouble, NULL,
			"the store %s is new: no device is known; if there should be some, look at "
			"`store` in %s",
			config->store, config->file);
	if (*store_warning(service->store))
		log_event(SEVERITY_WARNING, LOG_EVENT_store_trouble, NULL, "%s",
			  store_warning(service->store));
	return take_keys(service->store, config->kek) < 0 ? -1 : 0;
}

struct audit *
service_files_open_audit(const struct config *config)
{
	char beside[4096 + 8], error[AUDIT_ERROR_MAX];
	struct audit *audit;

	snprintf(beside, sizeof beside, "%s-audit", config->store);
	audit = audit_open(config->audit ? config->audit : beside, error);
	if (!audit)
		log_event(SEVERITY_ERROR, LOG_EVENT_start_failed, NULL, "%s", error);
	return audit;
}

int
service_files_leave(struct service *service, struct audit **audit, char error[STORE_ERROR_MAX])
{
	unknown_devices_save(service->unknowns, service->store, UINT64_MAX);
	version_counts_save(service, UINT64_MAX);
	inventory_effects_save_all(service);
	if (store_suspend(service->store, LEAVE_WAIT_MS, &service->pump, error) < 0)
		return -1;
	audit_close(*audit);
	*audit = NULL;
	return 0;
}

int
service_files_return(struct service *service, struct audit **audit)
{
	struct store *store = service->store;
	char error[STORE_ERROR_MAX] = "out of memory";

	/* Whatever the store does: the policy can still be changed, and that must be told. */
	if (!*audit)
		*audit = service_files_open_audit(service->config);
	if (store_resume(store, error) < 0 || take_keys(store, service->config->kek) < 0 ||
	    store_start(store) < 0) {
		log_event(SEVERITY_ERROR, LOG_EVENT_store_trouble, NULL,
			  "the store cannot be opened again, nothing is kept until the next start: "
			  "%s",
			  error);
		return -1;
	}
	return *audit ? 0 : -1;
}
