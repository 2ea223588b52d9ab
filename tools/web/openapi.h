/*
 * openapi.h - the document of the API (OpenAPI 3.0), made of the tables that requests are routed by.
 */
#pragma once

#include <jansson.h>

#include "tools/web/command_schema.h"

/* A reference; NULL: out of memory, or a route names no command. */
json_t *openapi_make(const struct command_schema *schema);
