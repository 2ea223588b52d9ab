/*
 * text_file.h - a whole file in memory, with a limit.
 */
#pragma once

#include <stddef.h>

/*
 * Reads a regular file of at most `limit` bytes; malloc()ed, ends in NUL. Never waits: a pipe, a
 * device or a socket is -EINVAL, a folder -EISDIR. Returns 0; -EFBIG when it is longer; or -errno.
 * The caller frees *text.
 */
int text_file_read(const char *file, size_t limit, char **text, size_t *len)
	__attribute__((warn_unused_result));
/* What an error of text_file_read() means, for a message. */
const char *text_file_error(int error);
