#include "tasks/xml_tree.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/parserInternals.h>

enum { XML_ERRORS_MAX = 20 }; /* of one ill-formed text: recovery repeats itself */

/* A place in the source text that moves forward only. */
struct xml_cursor {
	const char *at, *end;
	uint32_t line, column;
};

struct xml_open {
	struct xml_element *element;
	struct xml_element **last_child; /* where the next child is linked */
	size_t text_capacity;
};

struct xml_reader {
	xmlParserCtxt *ctxt;
	struct arena *arena;
	const char *name;
	struct diag_list *diags;
	struct xml_cursor cursor;
	struct xml_element *root;
	struct xml_open open[XML_DEPTH_MAX];
	unsigned depth;
	size_t errors;
	bool stopped, lost; /* lost: the cursor and the parser disagree (UTF-16, say): lines only */
};

static void
reader_stop(struct xml_reader *reader, const char *text)
{
	struct place place = { .file = reader->name };

	if (reader->stopped)
		return;
	place.line = (uint32_t)xmlSAX2GetLineNumber(reader->ctxt);
	diag_error(reader->diags, &place, "%s", text);
	reader->errors++;
	reader->stopped = true;
	xmlStopParser(reader->ctxt);
}

static void
cursor_step(struct xml_cursor *cursor)
{
	if (*cursor->at == '\n') {
		cursor->line++;
		cursor->column = 1;
	} else {
		cursor->column++;
	}
	cursor->at++;
}

static bool
cursor_sees(const struct xml_cursor *cursor, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(cursor->end - cursor->at) >= len && !memcmp(cursor->at, word, len);
}

/* To the byte behind `word`, or to the end. */
static void
cursor_pass(struct xml_cursor *cursor, const char *word)
{
	while (cursor->at < cursor->end && !cursor_sees(cursor, word))
		cursor_step(cursor);
	for (size_t i = 0; i < strlen(word) && cursor->at < cursor->end; i++)
		cursor_step(cursor);
}

static void
cursor_skip_blanks(struct xml_cursor *cursor)
{
	while (cursor->at < cursor->end && strchr(" \t\r\n", *cursor->at) && *cursor->at)
		cursor_step(cursor);
}

/* To the '<' of the next start tag. */
static bool
cursor_find_tag(struct xml_cursor *cursor)
{
	while (cursor->at < cursor->end) {
		if (cursor_sees(cursor, "<!--"))
			cursor_pass(cursor, "-->");
		else if (cursor_sees(cursor, "<![CDATA["))
			cursor_pass(cursor, "]]>");
		else if (cursor_sees(cursor, "<?"))
			cursor_pass(cursor, "?>");
		else if (*cursor->at == '<' && !cursor_sees(cursor, "</"))
			return true;
		else
			cursor_step(cursor);
	}
	return false;
}

static bool
cursor_take_name(struct xml_cursor *cursor, const char *name)
{
	size_t len = strlen(name);

	if (!cursor_sees(cursor, name))
		return false;
	if (cursor->at + len < cursor->end && !strchr(" \t\r\n=/>", cursor->at[len]))
		return false;
	while (len--)
		cursor_step(cursor);
	return true;
}

/* Passes one NAME = "value"; gives its places to `attribute` when that is its name. */
static bool
cursor_take_attribute(struct xml_cursor *cursor, struct xml_attribute *attribute)
{
	struct xml_cursor start = *cursor;
	bool same = attribute && cursor_take_name(cursor, attribute->name);
	char quote[2] = "";

	while (cursor->at < cursor->end && *cursor->at != '"' && *cursor->at != '\'')
		cursor_step(cursor);
	if (cursor->at == cursor->end)
		return false;
	quote[0] = *cursor->at;
	cursor_step(cursor);
	if (same) {
		attribute->line = start.line;
		attribute->column = start.column;
		attribute->value_line = cursor->line;
		attribute->value_column = cursor->column;
		attribute->source = cursor->at;
	}
	cursor_pass(cursor, quote);
	return same;
}

/* Namespace declarations stand among the attributes in the source, but not in the list. */
static void
cursor_take_attributes(struct xml_cursor *cursor, struct xml_attribute *attribute)
{
	for (;;) {
		cursor_skip_blanks(cursor);
		if (cursor->at >= cursor->end || *cursor->at == '>' || *cursor->at == '/')
			return;
		if (cursor_take_attribute(cursor, attribute))
			attribute = attribute->next;
	}
}

static void
reader_place(struct xml_reader *reader, struct xml_element *element)
{
	struct xml_cursor *cursor = &reader->cursor;
	uint32_t line = (uint32_t)xmlSAX2GetLineNumber(reader->ctxt);

	element->line = line;
	for (struct xml_attribute *a = element->attributes; a; a = a->next)
		a->line = a->value_line = line;
	if (reader->lost || !cursor_find_tag(cursor)) {
		reader->lost = true;
		return;
	}
	element->line = cursor->line;
	element->column = cursor->column;
	cursor_step(cursor);
	if (cursor_take_name(cursor, element->name))
		cursor_take_attributes(cursor, element->attributes);
	else
		reader->lost = true;
}

static const char *
reader_name(struct xml_reader *reader, const xmlChar *prefix, const xmlChar *local)
{
	size_t prefix_len = prefix ? strlen((const char *)prefix) + 1 : 0;
	size_t len = strlen((const char *)local);
	char *name = arena_alloc(reader->arena, prefix_len + len + 1);

	if (!name)
		return NULL;
	if (prefix) {
		memcpy(name, prefix, prefix_len - 1);
		name[prefix_len - 1] = ':';
	}
	memcpy(name + prefix_len, local, len + 1);
	return name;
}

/* `from` is one of libxml2's quintuples: name, prefix, namespace, begin and end of the value. */
static struct xml_attribute *
reader_attribute(struct xml_reader *reader, const xmlChar **from)
{
	struct xml_attribute *attribute = arena_alloc(reader->arena, sizeof *attribute);

	if (!attribute)
		return NULL;
	*attribute = (struct xml_attribute){ .name = reader_name(reader, from[1], from[0]) };
	attribute->len = (size_t)(from[4] - from[3]);
	attribute->value = arena_copy(reader->arena, from[3], attribute->len);
	return attribute->name && attribute->value ? attribute : NULL;
}

static struct xml_element *
reader_element(struct xml_reader *reader, const xmlChar *prefix, const xmlChar *local,
	       int n_attributes, const xmlChar **attributes)
{
	struct xml_element *element = arena_alloc(reader->arena, sizeof *element);
	struct xml_attribute **last;

	if (!element)
		return NULL;
	*element = (struct xml_element){ .name = reader_name(reader, prefix, local), .text = "" };
	last = &element->attributes;
	for (int i = 0; i < n_attributes; i++) {
		*last = reader_attribute(reader, attributes + (size_t)i * 5);
		if (!*last)
			return NULL;
		last = &(*last)->next;
	}
	return element->name ? element : NULL;
}

/* The signature is libxml2's. */
static void
on_start(void *ctx, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri,
	 int n_namespaces, const xmlChar **namespaces, int n_attributes, int n_defaulted,
	 const xmlChar **attributes)
{
	struct xml_reader *reader = ctx;
	struct xml_element *element;

	if (reader->errors)
		return;
	if (reader->depth == XML_DEPTH_MAX) {
		reader_stop(reader, "tags are nested more than 64 deep");
		return;
	}
	element = reader_element(reader, prefix, local, n_attributes, attributes);
	if (!element) {
		reader_stop(reader, "out of memory");
		return;
	}
	reader_place(reader, element);
	if (reader->depth) {
		struct xml_open *parent = &reader->open[reader->depth - 1];

		*parent->last_child = element;
		parent->last_child = &element->next;
	} else {
		reader->root = element;
	}
	reader->open[reader->depth++] = (struct xml_open){ element, &element->children, 0 };
}

static void
on_end(void *ctx, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri)
{
	struct xml_reader *reader = ctx;

	if (!reader->errors)
		reader->depth--;
}

/* Text comes in pieces; doubling keeps a text of many small pieces linear. */
static void
on_text(void *ctx, const xmlChar *text, int len)
{
	struct xml_reader *reader = ctx;
	struct xml_open *open;
	struct xml_element *element;
	char *grown;

	if (reader->errors || !reader->depth)
		return;
	open = &reader->open[reader->depth - 1];
	element = open->element;
	if (element->text_len + (size_t)len >= open->text_capacity) {
		open->text_capacity = 2 * (element->text_len + (size_t)len) + 16;
		grown = arena_alloc(reader->arena, open->text_capacity);
		if (!grown) {
			reader_stop(reader, "out of memory");
			return;
		}
		memcpy(grown, element->text, element->text_len);
		element->text = grown;
	}
	grown = (char *)(uintptr_t)element->text;
	memcpy(grown + element->text_len, text, (size_t)len);
	element->text_len += (size_t)len;
	grown[element->text_len] = '\0';
}

/* Comes with the declaration's name, before anything inside it is read. */
static void
on_doctype(void *ctx, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	reader_stop(ctx, "a document type declaration is not allowed: remove it and the entities "
			 "it declares");
}

static void
on_error(void *ctx, xmlError *error)
{
	struct xml_reader *reader = ctx;
	struct place place = { .file = reader->name };
	size_t len = error->message ? strcspn(error->message, "\n") : 0;

	if (reader->stopped || error->level < XML_ERR_ERROR)
		return;
	if (reader->errors++ >= XML_ERRORS_MAX)
		return;
	place.line = error->line > 0 ? (uint32_t)error->line : 0;
	place.column = error->int2 > 0 ? (uint32_t)error->int2 : 0;
	diag_error(reader->diags, &place, "not well-formed XML: %.*s", (int)(len > 200 ? 200 : len),
		   error->message ? error->message : "");
}

static void
reader_parse(struct xml_reader *reader, const char *text, size_t len)
{
	xmlSAXHandler *sax = reader->ctxt->sax;

	*sax = (xmlSAXHandler){
		.initialized = XML_SAX2_MAGIC,
		.internalSubset = on_doctype,
		.startElementNs = on_start,
		.endElementNs = on_end,
		.characters = on_text,
		/* The same, or libxml2 guesses which blanks matter. */
		.ignorableWhitespace = on_text,
		.serror = on_error,
	};
	reader->ctxt->userData = reader;
	xmlFreeDoc(xmlCtxtReadMemory(
		reader->ctxt, text, (int)len, NULL, NULL,
		/* NOENT: without it "&amp;" in an attribute comes as "&#38;" (XML 1.0
				      * 3.3.3 wants "&"); there are no entities but the five predefined
				      * ones, as document types are refused. */
		XML_PARSE_NOENT | XML_PARSE_RECOVER | XML_PARSE_NONET | XML_PARSE_NOERROR |
			XML_PARSE_NOWARNING | XML_PARSE_BIG_LINES));
}

struct xml_element *
xml_tree_parse(struct arena *arena, const char *name, const char *text, size_t len,
	       struct diag_list *diags)
{
	struct xml_reader reader = { .arena = arena, .name = name, .diags = diags };
	struct place place = { .file = name };

	if (!len || len > INT_MAX) {
		diag_error(diags, &place, len ? "the file is too long" : "the file is empty");
		return NULL;
	}
	reader.cursor = (struct xml_cursor){ text, text + len, 1, 1 };
	if (cursor_sees(&reader.cursor, "\xef\xbb\xbf"))
		reader.cursor.at += 3; /* a byte order mark takes no column in any editor */
	reader.ctxt = xmlNewParserCtxt();
	if (!reader.ctxt) {
		diag_error(diags, &place, "out of memory");
		return NULL;
	}
	reader_parse(&reader, text, len);
	xmlFreeParserCtxt(reader.ctxt);
	if (!reader.errors && !reader.root) {
		diag_error(diags, &place, "no XML element found");
		return NULL;
	}
	return reader.errors ? NULL : reader.root;
}

const struct xml_attribute *
xml_find(const struct xml_element *element, const char *name)
{
	const struct xml_attribute *attribute = element->attributes;

	while (attribute && strcmp(attribute->name, name))
		attribute = attribute->next;
	return attribute;
}

/* Bytes of UTF-8 that a reference stands for. */
static size_t
reference_width(const char *at)
{
	unsigned long code = 0;
	unsigned base = 10;

	if (at[1] != '#')
		return 1; /* the five predefined entities are ASCII */
	at += 2;
	if (*at == 'x') {
		base = 16;
		at++;
	}
	for (; *at != ';' && code < 0x110000; at++)
		code = code * base + (unsigned)(*at <= '9' ? *at - '0' : (*at | 0x20) - 'a' + 10);
	return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

void
xml_locate(const struct xml_attribute *attribute, size_t offset, uint32_t *line, uint32_t *column)
{
	/* The text was well-formed: the value ends in its quote, every reference in ';'. */
	struct xml_cursor cursor = { attribute->source, NULL, attribute->value_line,
				     attribute->value_column };

	*line = attribute->value_line;
	*column = attribute->value_column;
	if (!attribute->source || offset > attribute->len)
		return;
	while (offset) {
		size_t width = *cursor.at == '&' ? reference_width(cursor.at) : 1;

		if (width > offset)
			break;
		offset -= width;
		if (*cursor.at == '&')
			while (*cursor.at != ';')
				cursor_step(&cursor);
		/* XML 1.0 2.11: CR LF is read as one line end. */
		if (cursor.at[0] == '\r' && cursor.at[1] == '\n')
			cursor_step(&cursor);
		cursor_step(&cursor);
	}
	*line = cursor.line;
	*column = cursor.column;
}
