/*
 * passed_file.h - the memory that a file of records passes in: a memfd, mapped by who has it.
 *
 * Anonymous memory that no path names: it is never on a disk, and locked where that is allowed, so that it is not
 * swapped either. When it has its bytes it is sealed: it neither grows nor shrinks under who reads it. The last
 * one to have it wipes it. One thread. Allocates.
 */
#pragma once

#include <stddef.h>

struct passed_file {
	int fd; /* -1: there is none */
	void *memory;
	size_t size;
};

/* Of `size` bytes of address space; memory is taken as it is written to. 0 or -errno. */
int passed_file_make(struct passed_file *file, size_t size);
/* Cuts it to the bytes that were written, and seals it. 0 or -errno. */
int passed_file_seal(struct passed_file *file, size_t used);
/* One that was received: takes the descriptor over. 0 or -errno. */
int passed_file_map(struct passed_file *file, int fd);
/* Lets go of it. */
void passed_file_close(struct passed_file *file);
/* The same, with nothing left in it. */
void passed_file_wipe(struct passed_file *file);
