/*
 * policy_folder.h - the files of a policy folder, one after the other: groups.conf, servers.conf, trust.conf, and what is in
 * tasks/ and resources/. Not keys/ and certs/: those are keys, which stay where they are.
 *
 * Control thread; reads the disk. Allocates; wipes behind itself.
 */
#pragma once

#include <stdbool.h>

#include "control/policy/policy.h"

/*
 * Calls `each` until it says false; what is no regular file, hidden, or larger than POLICY_FILE_MAX is passed over. 0,
 * -ECANCELED when `each` wanted no more, or -errno of a file that cannot be read.
 */
int policy_folder_each(const char *folder,
		       bool (*each)(void *ctx, const struct policy_source *file), void *ctx);
/* Whether a name is that of a file which is looked at so. */
bool policy_folder_has(const char *name);
/* Whether it is that of a file of keys/ or certs/. */
bool policy_folder_has_key(const char *name);
/* One file, whichever of these; `each` is not called where there is none. As policy_folder_each(). */
int policy_folder_one(const char *folder, const char *name,
		      bool (*each)(void *ctx, const struct policy_source *file), void *ctx);
