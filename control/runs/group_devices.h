/*
 * group_devices.h - how many devices a group has, for who is about to remove it. Control thread.
 */
#pragma once

#include <stddef.h>

struct service;
struct policy_group;

/* Direct members of the group in the running inventory; subgroups are not counted. */
size_t group_device_count(const struct service *service, const struct policy_group *group);
