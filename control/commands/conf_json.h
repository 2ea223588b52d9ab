/*
 * conf_json.h - settings of a policy file as JSON, secrets masked, and what differs between two lists of them.
 *
 * Pure but for memory.
 */
#pragma once

#include <jansson.h>
#include <libconfig.h>

/* Members that hold keys, and values that are secret, stand as SHOW_MASK. A new reference; NULL for NULL. */
json_t *conf_json(const config_setting_t *setting);
/*
 * What of two lists is not the same, between the elements that they begin and end with alike: each an array, or NULL where
 * nothing is. What differs in a secret alone is there, too.
 */
void conf_json_diff(const config_setting_t *before, const config_setting_t *after, json_t **was,
		    json_t **is);
