/*
 * folder_hash.h - tells one state of a folder from another. Any thread.
 */
#pragma once

#include <stdint.h>

/*
 * Of names and bytes of its regular files, in any order; 0 where there is no folder. Times are no part
 * of it: files that were written again as they were change nothing.
 */
uint64_t folder_hash(const char *folder);
