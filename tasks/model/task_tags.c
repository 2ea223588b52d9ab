/* The tags of the language, as data (TASKS facts, section 1). */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tasks/batch.h"
#include "tasks/coap_numbers.h"
#include "tasks/model/task_status.h"
#include "tasks/model/task_tree.h"

const struct tag_rule tag_rules[TASK_TAGS] = {
	[TAG_CONFIG] = { "config",
			 { { "format" }, { "blockBytes" } },
			 PLACE_ROOT,
			 .container = true },
	[TAG_STORE] = { "store",
			{ { "target", .required = true },
			  { "value", .required = true, .nullable = true },
			  { "type", .nullable = true },
			  { "secret" } },
			PLACE_ANYWHERE },
	[TAG_BOOTSTRAP] = { "lwm2mBootstrap",
			    { { "performBootstrapFinish" },
			      { "finishSession" },
			      { "granularity" },
			      { "format" },
			      { "onError" },
			      { "when" } },
			    PLACE_OUTSIDE,
			    .container = true },
	[TAG_WRITE] = { "write",
			{ { "key", .required = true },
			  { "value", .required = true },
			  { "type", .nullable = true },
			  { "format" } },
			PLACE_BOOTSTRAP },
	[TAG_DELETE] = { "delete",
			 { { "key", .required = true, .nullable = true } },
			 PLACE_BOOTSTRAP },
	[TAG_UPLOAD] = { "upload",
			 { { "key", .required = true }, { "resourceId", .required = true } },
			 PLACE_BOOTSTRAP },
	[TAG_DISCOVER] = { "discover",
			   { { "key", .nullable = true }, { "output" } },
			   PLACE_BOOTSTRAP },
	[TAG_READ] = { "read", { { "key", .required = true }, { "output" } }, PLACE_BOOTSTRAP },
	[TAG_CLEANSE] = { "lwm2mBootstrapCleanse", { { "onError" } }, PLACE_OUTSIDE },
	[TAG_CONFIGURATION] = { "lwm2mBootstrapConfiguration",
				{ { "serverId" },
				  { "serverName" },
				  { VAR_SECURITY_INSTANCE },
				  { VAR_SERVER_INSTANCE },
				  { "onError" } },
				PLACE_OUTSIDE },
	[TAG_IF] = { "if", { { "expr", .required = true } }, PLACE_ANYWHERE, .container = true },
	[TAG_ELSE] = { "else", .place = PLACE_IF, .container = true },
	[TAG_FOREACH] = { "foreach",
			  { { "list", .required = true }, { "iterator" } },
			  PLACE_ANYWHERE,
			  .container = true },
	[TAG_WHILE] = { "while",
			{ { "expr", .required = true } },
			PLACE_ANYWHERE,
			.container = true },
	[TAG_LOG] = { "log", { { "message", .required = true }, { "level" } }, PLACE_ANYWHERE },
	[TAG_FINISH] = { "finish",
			 { { "status", .required = true }, { "message", .nullable = true } },
			 PLACE_ANYWHERE },
	[TAG_COMMENT] = { "comment", { { "text", .nullable = true } }, PLACE_ANYWHERE },
	[TAG_DEFAULTS] = { "defaults",
			   { { "target", .required = true },
			     { "value", .required = true, .nullable = true } },
			   PLACE_ANYWHERE },
	[TAG_JOIN] = { "join", { { "group", .required = true } }, PLACE_ANYWHERE },
	[TAG_LEAVE] = { "leave", { { "group", .required = true } }, PLACE_ANYWHERE },
	[TAG_REMOVE_PROPERTY] = { "removeProperty",
				  { { "target", .required = true } },
				  PLACE_ANYWHERE },
};

bool
tag_is_foreign(const char *name)
{
	static const char *const foreign[] = { "set",  "get",  "execute", "add",  "in",
					       "rest", "wait", "mail",    "alert" };

	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
		if (!strcmp(name, foreign[i]))
			return true;
	return false;
}

enum task_tag
tag_by_name(const char *name)
{
	enum task_tag tag = 0;

	while (tag < TASK_TAGS && strcmp(name, tag_rules[tag].name))
		tag++;
	return tag;
}

const char *
tag_nearest(const char *name)
{
	const char *names[TASK_TAGS];

	for (int tag = 0; tag < TASK_TAGS; tag++)
		names[tag] = tag_rules[tag].name;
	return diag_nearest(name, names, TASK_TAGS);
}

/* A word an attribute may hold, and what it stands for. */
struct word {
	const char *name;
	int value;
};

static int
word_value(const struct word *words, size_t count, const char *name, size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(words[i].name) == len && !strncasecmp(words[i].name, name, len))
			return words[i].value;
	return -1;
}

int
log_level_by_name(const char *name, size_t len)
{
	static const struct word levels[] = {
		{ "TRACE", TASK_LOG_TRACE },  { "DEBUG", TASK_LOG_DEBUG },
		{ "INFO", TASK_LOG_INFO },    { "WARNING", TASK_LOG_WARNING },
		{ "WARN", TASK_LOG_WARNING }, { "ERROR", TASK_LOG_ERROR },
	};

	return word_value(levels, sizeof levels / sizeof *levels, name, len);
}

int
granularity_by_name(const char *name, size_t len)
{
	static const struct word words[] = {
		{ "instance", GRANULARITY_INSTANCE },
		{ "resource", GRANULARITY_RESOURCE },
		{ "object", GRANULARITY_OBJECT },
	};

	return word_value(words, sizeof words / sizeof *words, name, len);
}

int
on_error_by_name(const char *name, size_t len)
{
	static const struct word words[] = {
		{ "abort", BATCH_ABORT },
		{ "continue", BATCH_CONTINUE },
		{ "finish", BATCH_FINISH },
	};

	return word_value(words, sizeof words / sizeof *words, name, len);
}

int
store_type_by_name(const char *name, size_t len)
{
	static const struct word words[] = {
		{ "var", STORE_VAR },
		{ "devProp", STORE_PROPERTY },
		{ "history", STORE_HISTORY },
	};

	return word_value(words, sizeof words / sizeof *words, name, len);
}

int
when_by_name(const char *name, size_t len)
{
	static const struct word words[] = { { "always", 0 }, { "finishRefused", 1 } };

	return word_value(words, sizeof words / sizeof *words, name, len);
}

int
finish_status_by_name(const char *name, size_t len)
{
	static const struct word statuses[] = {
		{ "NOT_STARTED", TASK_NOT_STARTED },
		{ "IN_PROGRESS", TASK_IN_PROGRESS },
		{ "SUCCESS", TASK_SUCCESS },
		{ "WARNING", TASK_WARNING },
		{ "ERROR", TASK_ERROR },
	};

	return word_value(statuses, sizeof statuses / sizeof *statuses, name, len);
}

/* What a block-wise transfer knows (RFC 7959 2.2). */
int
block_bytes_by_name(const char *name, size_t len)
{
	static const struct word words[] = {
		{ "16", 16 },   { "32", 32 },   { "64", 64 },     { "128", 128 },
		{ "256", 256 }, { "512", 512 }, { "1024", 1024 },
	};

	return word_value(words, sizeof words / sizeof *words, name, len);
}

int
format_by_name(const char *name, size_t len)
{
	static const struct word formats[] = {
		{ "text", FORMAT_TEXT },
		{ "opaque", FORMAT_OPAQUE },
		{ "cbor", FORMAT_CBOR },
		{ "senml-json", FORMAT_SENML_JSON },
		{ "senml-cbor", FORMAT_SENML_CBOR },
		{ "tlv", FORMAT_TLV },
		{ "lwm2m-cbor", FORMAT_LWM2M_CBOR },
		{ "0", FORMAT_TEXT },
		{ "42", FORMAT_OPAQUE },
		{ "60", FORMAT_CBOR },
		{ "110", FORMAT_SENML_JSON },
		{ "112", FORMAT_SENML_CBOR },
		{ "11542", FORMAT_TLV },
		{ "11544", FORMAT_LWM2M_CBOR },
	};

	return word_value(formats, sizeof formats / sizeof *formats, name, len);
}
