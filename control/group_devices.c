#include "control/group_devices.h"

#include "control/daemon.h"

size_t
group_device_count(const struct daemon *daemon, const struct policy_group *group)
{
	const struct inventory *inventory = daemon->generation->inventory;
	size_t count = 0;

	for (size_t i = 0; i < inventory->count; i++)
		for (unsigned k = 0; k < inventory->devices[i].n_groups; k++)
			count += inventory->devices[i].groups[k] == group;
	return count;
}
