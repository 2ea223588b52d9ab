/* A sealed file: whatever a reader gets, bytes that nobody sealed do not come out. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control/store/sealed_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sealer *
sealer_of_zeros(void)
{
	static struct sealer *sealer;
	struct keyring keyring = { .n = 1 };

	/* Its id is what a header has to say, so that a search gets beyond it. */
	memset(keyring.keks[0].id, 'k', KEK_ID_LEN);
	if (!sealer)
		sealer = sealer_new(&keyring);
	return sealer;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("sealed", MFD_CLOEXEC);
	char error[SEALED_ERROR_MAX] = "", bytes[256];
	uint8_t format;
	struct sealed_in *in;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) < 0)
		__builtin_trap();
	in = sealed_in_new(fd, sealer_of_zeros(), &format, error);
	if (!in == !*error)
		__builtin_trap();
	/* No input knows the key: nothing opens, not even as the end. */
	if (in && (sealed_in_read(in, bytes, sizeof bytes) != -1 || errno != EBADMSG))
		__builtin_trap();
	sealed_in_free(in);
	close(fd);
	return 0;
}
