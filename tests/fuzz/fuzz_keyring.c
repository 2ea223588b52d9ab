/*
 * A file of key-encryption keys: each key once taken opens what it sealed, and what is wrong is said. A new key is put in front
 * of those that there are; where it cannot be, the file stays.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/store/keyring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64];

static void
remove_file(void)
{
	unlink(path);
}

static void
write_file(const uint8_t *data, size_t size)
{
	int fd;

	if (!*path) {
		snprintf(path, sizeof path, "%s/fuzz-keyring-XXXXXX",
			 access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp");
		fd = mkstemp(path);
		atexit(remove_file);
	} else {
		fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	}
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
}

/* Both say the same keys, but that `after` may begin with one more. */
static bool
go_on(const struct keyring *before, const struct keyring *after, unsigned more)
{
	return after->n == before->n + more &&
	       memcmp(before->keks, after->keks + more, before->n * sizeof before->keks[0]) == 0; /* lint: allow - a test's */
}

static void
add(const struct keyring *before)
{
	char error[KEYRING_ERROR_MAX] = "", said[KEYRING_ERROR_MAX] = "";
	uint8_t id[KEK_ID_LEN];
	struct keyring after;
	int result = keyring_add(path, id, error);

	if ((result == 0) != (*error == 0))
		abort();
	if (keyring_load(path, &after, said) < 0) {
		if (!result || before->n)
			abort(); /* it was readable, or became so */
	} else if (!go_on(before, &after, !result) ||
		   (!result && memcmp(id, after.keks[0].id, sizeof id) != 0)) {
		abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), error[KEYRING_ERROR_MAX] = "";
	struct keyring keyring, loaded;
	int result;

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = 0;
	result = keyring_parse("file", text, &keyring, error);
	if ((result == 0) != (keyring.n > 0) || (result == 0) != (*error == 0) || keyring.n > KEYRING_MAX)
		__builtin_trap();
	(void)keyring_is_source(text);
	write_file(data, size);
	if (keyring_load(path, &loaded, error) == 0 && !go_on(&keyring, &loaded, 0))
		abort();
	add(&loaded);
	free(text);
	return 0;
}
