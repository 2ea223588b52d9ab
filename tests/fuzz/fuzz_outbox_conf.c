/*
 * outbox.conf, with a template and a secret beside it: accepted as a whole, every target complete; or refused, with an error.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/delivery/delivery_conf.h"
#include "control/delivery/facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64];

static void
clean_up(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -r %s", folder);
	if (system(command) != 0)
		abort();
}

static void
put(const char *name, const void *bytes, size_t len)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
		abort();
	close(fd);
}

static void
make_folder(void)
{
	static const char template[] = "{\"ep\":\"{{endpoint|json}}\",\"k\":\"{{key|hex}}\"}";
	const char *parent = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";

	if (*folder)
		return;
	snprintf(folder, sizeof folder, "%s/fuzz-outbox-conf-XXXXXX", parent);
	if (!mkdtemp(folder))
		abort();
	put("t.json", template, sizeof template - 1);
	put("bad.json", "{{nothing", 9);
	put("secret", "s3cret\n", 7);
	atexit(clean_up);
}

static void
is_complete(const struct delivery_target *target)
{
	if (!target->name || !*target->name || strchr(target->name, ' ') || !target->wants ||
	    !target->address || !target->content || !target->connections || !target->timeout_ms)
		__builtin_trap();
	if (!target->token_file != !target->token ||
	    !target->signature_file != !target->signature_key)
		__builtin_trap();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct delivery_conf *conf;
	struct diag_list diags;
	char path[PATH_MAX];

	make_folder();
	put("outbox.conf", data, size);
	snprintf(path, sizeof path, "%s/outbox.conf", folder);
	diag_list_init(&diags);
	conf = delivery_conf_load(path, &diags);
	if (!conf != (diags.errors > 0))
		__builtin_trap();
	for (unsigned i = 0; conf && i < conf->n_targets; i++)
		is_complete(&conf->targets[i]);
	delivery_conf_release(conf);
	diag_list_fini(&diags);
	return 0;
}
