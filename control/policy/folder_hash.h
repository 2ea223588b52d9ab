/*
 * folder_hash.h - tells one state of a folder from another. Any thread.
 */
#pragma once

#include <stdint.h>

/* Of names, sizes and times of its regular files, in any order; 0 where there is no folder. */
uint64_t folder_hash(const char *folder);
