/*
 * xml_tree.h - an XML text as a plain tree that knows where everything stands.
 *
 * The only room of tasks/ that talks to libxml2. What comes back is plain structs in the caller's
 * arena: names and values decoded, each tag and attribute with its exact line and column in the
 * source text.
 *
 * The text comes from people and machines we do not trust: no document type (so no entity but the
 * five predefined ones: an entity bomb costs nothing), no network, no nesting deeper than
 * XML_DEPTH_MAX.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tasks/arena.h"
#include "tasks/diag.h"

enum { XML_DEPTH_MAX = 64 };

struct xml_attribute {
	const char *name;  /* as written, with its prefix */
	const char *value; /* entities resolved, blanks normalized; ends in NUL */
	size_t len;
	uint32_t line, column;             /* of the name */
	uint32_t value_line, value_column; /* of the value's first byte */
	const char *source; /* that byte in the parsed text, or NULL when not found */
	struct xml_attribute *next;
};

struct xml_element {
	const char *name;
	uint32_t line, column; /* of its '<' */
	struct xml_attribute *attributes;
	const char *text; /* character data directly inside, CDATA too, joined; ends in NUL */
	size_t text_len;
	struct xml_element *children, *next;
};

/*
 * Parses a whole text; `name` stands in diagnostics. Returns the root, or NULL after adding at
 * least one error: an ill-formed text gives as many as the parser's recovery finds.
 */
struct xml_element *xml_tree_parse(struct arena *arena, const char *name, const char *text,
				   size_t len, struct diag_list *diags);

/* The attribute of that name, or NULL. */
const struct xml_attribute *xml_find(const struct xml_element *element, const char *name);

/* Where byte `offset` of an attribute's decoded value stands in the source: references and line
 * ends counted. */
void xml_locate(const struct xml_attribute *attribute, size_t offset, uint32_t *line,
		uint32_t *column);
