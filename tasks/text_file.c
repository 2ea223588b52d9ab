#include "tasks/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads up to `size` bytes; a file that grows or shrinks meanwhile is read as it is now. */
static int
read_all(int fd, char *out, size_t size, size_t *len)
{
	ssize_t n;

	*len = 0;
	while (*len < size) {
		n = read(fd, out + *len, size - *len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (!n)
			break;
		if (n > 0)
			*len += (size_t)n;
	}
	return 0;
}

int
text_file_read(const char *file, size_t limit, char **text, size_t *len)
{
	/* O_NONBLOCK: a FIFO put in place of a file must not hang us; on files it has no effect. */
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int result;

	*text = NULL;
	if (fd < 0)
		return -errno;
	result = fstat(fd, &st) ? -errno : 0;
	if (!result && !S_ISREG(st.st_mode))
		result = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if (!result && (uintmax_t)st.st_size > limit)
		result = -EFBIG;
	if (!result) {
		*text = malloc((size_t)st.st_size + 1);
		result = *text ? read_all(fd, *text, (size_t)st.st_size, len) : -ENOMEM;
	}
	close(fd);
	if (result) {
		if (*text)
			explicit_bzero(*text, *len);
		free(*text);
		*text = NULL;
		return result;
	}
	(*text)[*len] = '\0';
	return 0;
}

const char *
text_file_error(int error)
{
	switch (-error) {
	case EINVAL:
	case ENXIO: /* what open() says of a socket */
		return "not a regular file, but a pipe, a socket or a device";
	case EISDIR:
		return "this is a folder";
	case EFBIG:
		return "the file is too long";
	default:
		return strerror(-error);
	}
}
