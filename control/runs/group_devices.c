#include "control/runs/group_devices.h"

#include "control/runs/service.h"

size_t
group_device_count(const struct service *service, const struct policy_group *group)
{
	const struct inventory *inventory = &service->inventory;
	size_t count = 0;

	for (uint32_t i = 0; i < inventory->n_group_devices && i < inventory->groups.count; i++) {
		const struct task_set *set =
			inventory->group_devices[i]
				? generation_task_set(service->generation, inventory, i)
				: NULL;

		for (unsigned k = 0; set && k < set->n_groups; k++)
			count += set->groups[k] == group ? inventory->group_devices[i] : 0;
	}
	return count;
}
