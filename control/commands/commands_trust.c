/* Certificates: trust list, check, add, set, remove, deny, allow. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/clock.h"
#include "control/commands/command_settings.h"
#include "control/commands/policy_edit.h"
#include "control/commands/show.h"
#include "control/inventory/hash_identity.h"
#include "control/policy/cert_name.h"
#include "control/policy/policy_trust.h"
#include "control/runs/rejected_devices.h"
#include "dataplane/ec/ec_check.h"
#include "dataplane/ec/ec_identity.h"

enum { TRUST_FILE_MAX = 4 << 20 };

/* --- what there is --- */

static const char *
entry_text(const config_setting_t *entry, const char *member)
{
	const char *text = NULL;

	if (config_setting_is_group(entry))
		(void)config_setting_lookup_string(entry, member, &text);
	return text ? text : "";
}

/* A list of texts with ", " between. */
static void
put_texts(const config_setting_t *list, struct text *text)
{
	for (int i = 0; list && i < config_setting_length(list); i++) {
		const char *item = config_setting_get_string_elem(list, i);

		text_show(text, "%s%s", i ? ", " : "", item ? item : "");
	}
}

/* Where rows go. */
struct listing {
	const struct policy_trust *live; /* what serves; NULL: nothing does */
	struct table table;
	json_t *list;
};

/* What serves of the file, and until when: a file that was changed since serves after a reload. */
static void
put_end(struct listing *listing, const char *file, json_t *row)
{
	const struct policy_trust_file *live = policy_trust_file(listing->live, file);
	bool ends = live && live->ends_s != INT64_MAX;
	char when[SHOW_TIME_MAX];

	table_cell(&listing->table, "%.10s",
		   ends ? show_time((uint64_t)live->ends_s * 1000, when) : "-");
	if (live)
		json_object_set_new(row, "subject",
				    show_json(live->subject, strlen(live->subject)));
	if (ends)
		json_object_set_new(row, "ends_s", json_integer(live->ends_s));
}

static void
put_row(struct listing *listing, const char *kind, const char *file, const char *says)
{
	json_t *row = json_pack("{s:s, s:s, s:s}", "kind", kind, "file", file, "says", says);

	table_cell(&listing->table, "%s", kind);
	table_cell(&listing->table, "%s", file);
	put_end(listing, file, row);
	table_cell(&listing->table, "%s", says);
	json_array_append_new(listing->list, row);
}

static void
put_own(const config_setting_t *entry, struct listing *listing)
{
	const config_setting_t *names = config_setting_get_member(entry, "names");
	const char *chain = entry_text(entry, "chain");
	struct text says;

	text_init(&says);
	text_show(&says, "key %s; ", entry_text(entry, "key"));
	if (names && config_setting_length(names))
		put_texts(names, &says);
	else
		text_show(&says, "for clients that name none of the others");
	put_row(listing, "own", *chain ? chain : "(raw public key)", text_str(&says));
	text_fini(&says);
}

static void
put_anchor(const config_setting_t *entry, struct listing *listing)
{
	const char *unknown = entry_text(entry, "unknown"), *name = entry_text(entry, "endpoint");
	const config_setting_t *groups = config_setting_get_member(entry, "groups");
	struct text says;

	text_init(&says);
	text_show(&says, "endpoint %s; unknown: %s", *name ? name : CERT_NAME_DEFAULT,
		  *unknown ? unknown : "list");
	if (groups && config_setting_length(groups)) {
		text_show(&says, " in ");
		put_texts(groups, &says);
	}
	put_row(listing, "anchor", entry_text(entry, "file"), text_str(&says));
	text_fini(&says);
}

static void
put_text_entries(const struct policy_edit *edit, const char *list_name, const char *kind,
		 struct listing *listing)
{
	const config_setting_t *entries =
		config_setting_get_member(conf_text_root(&edit->conf), list_name);

	for (int i = 0; entries && i < config_setting_length(entries); i++) {
		const char *text = config_setting_get_string_elem(entries, i);

		put_row(listing, kind, text ? text : "", "");
	}
}

static void
put_groups(const struct policy_edit *edit, const char *list_name, struct listing *listing,
	   void (*put)(const config_setting_t *entry, struct listing *listing))
{
	const config_setting_t *entries =
		config_setting_get_member(conf_text_root(&edit->conf), list_name);

	for (int i = 0; entries && i < config_setting_length(entries); i++)
		put(config_setting_get_elem(entries, (unsigned)i), listing);
}

/* What the file on disk says, as all edits see it; `status` warns of what ends. */
void
command_trust_list(struct call *call)
{
	struct listing listing = { .live = call->service->generation->policy->trust };
	struct policy_edit edit;

	if (!policy_edit_begin_in(&edit, call, "trust", "own"))
		return;
	listing.list = json_array();
	table_init(&listing.table, "kind|file|ends:2|~says:1");
	put_groups(&edit, "own", &listing, put_own);
	put_groups(&edit, "anchors", &listing, put_anchor);
	put_text_entries(&edit, "crls", "crl", &listing);
	put_text_entries(&edit, "deny", "deny", &listing);
	table_finish(&listing.table, &call->text);
	call->result = json_pack("{s:o}", "trust", listing.list);
	policy_edit_end(&edit);
}

/* --- changed --- */

/* What stands in trust.conf as groups { }: our certificates, and authorities. */
struct trust_kind {
	const char *word, *list, *member;
	const struct setting_option *options;
	unsigned n_options;
	const char *list_option, *list_member; /* one that takes "A,B" */
};

static const struct setting_option anchor_options[] = {
	{ "--endpoint", "endpoint", SETTING_TEXT },
	{ "--unknown", "unknown", SETTING_TEXT },
	{ "--create-per-minute", "create_per_minute", SETTING_NUMBER },
};
static const struct setting_option own_options[] = {
	{ "--key", "key", SETTING_TEXT },
};
static const struct trust_kind anchors = { "authority", "anchors",  "file",  anchor_options,
					   3,           "--groups", "groups" };
static const struct trust_kind own = { "certificate", "own",  "chain", own_options, 1,
				       "--names",     "names" };

/* The name that a file gets in certs/: its own. NULL, and the call refused. */
static const char *
name_of(struct call *call)
{
	const char *path = call->arguments[0], *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	if (policy_file_name_is_good(name) && strcmp(name, "-") != 0)
		return name;
	call_refuse(call, CTL_USAGE, "\"%.80s\" is no name of a file: it becomes that in certs/",
		    path);
	return NULL;
}

/* The folder is part of the policy; an empty one does no harm. */
static void
make_folder(const struct policy_edit *edit)
{
	char path[POLICY_EDIT_PATH + sizeof "/certs"];

	snprintf(path, sizeof path, "%s/certs", edit->folder);
	(void)mkdir(path, 0755); /* why not, says the writing of the file */
}

/* Whether another file of this name is there, which something else may need. */
static bool
would_replace(struct policy_edit *edit)
{
	const struct edited_file *file = &edit->files[edit->n_files - 1];

	if (!file->old ||
	    (file->old_len == file->len && memcmp(file->old, file->text, file->len) == 0))
		return false;
	call_refuse(edit->call, CTL_REFUSED,
		    "%s is there already, and is another file: give this one another name",
		    file->name);
	return true;
}

/* The file that came with the call joins the edit as certs/NAME. */
static bool
take_file(struct policy_edit *edit, const char *name, bool may_replace)
{
	char file[POLICY_EDIT_NAME];
	size_t len;
	char *bytes = call_read_file(edit->call, TRUST_FILE_MAX, &len);

	if (!bytes)
		return false;
	if (len && memmem(bytes, len, "PRIVATE KEY-----", 16)) {
		call_refuse(edit->call, CTL_REFUSED,
			    "%s holds a private key: put that into certs/ by hand with mode 0600, "
			    "and give the certificates alone",
			    name);
		explicit_bzero(bytes, len);
		free(bytes);
		return false;
	}
	make_folder(edit);
	snprintf(file, sizeof file, "certs/%s", name);
	return policy_edit_file(edit, file, bytes, len) && (may_replace || !would_replace(edit));
}

/* "a,b" as [ "a", "b" ]. */
static void
put_list(struct command_settings *settings, const char *member, const char *given)
{
	struct text text;
	size_t len;

	text_init(&text);
	text_printf(&text, "[");
	for (const char *at = given; *at; at += len + (at[len] == ',')) {
		char item[256];

		len = strcspn(at, ",");
		snprintf(item, sizeof item, "%.*s", (int)len, at);
		text_printf(&text, "%s", at == given ? " " : ", ");
		conf_quote(&text, item);
	}
	text_printf(&text, " ]");
	command_settings_plain(settings, member, text_str(&text));
	text_fini(&text);
}

static bool
take_settings(struct command_settings *settings, struct call *call, const struct trust_kind *kind)
{
	const char *given = call_option(call, kind->list_option);

	if (!command_settings_take(settings, call, kind->options, kind->n_options))
		return false;
	if (given)
		put_list(settings, kind->list_member, given);
	return true;
}

static void
add(struct call *call, const struct trust_kind *kind)
{
	const char *name = name_of(call);
	struct command_settings settings;
	struct policy_edit edit;

	if (!name)
		return;
	command_settings_init(&settings);
	command_settings_text(&settings, kind->member, name);
	if (take_settings(&settings, call, kind) &&
	    policy_edit_begin_in(&edit, call, "trust", kind->list)) {
		if (policy_edit_find(&edit, kind->member, name) >= 0)
			call_refuse(call, CTL_REFUSED,
				    "%s is in trust.conf already: `trust set` changes what it says "
				    "there",
				    name);
		else if (take_file(&edit, name, false) &&
			 policy_edit_append(&edit, -1, settings.pairs, settings.count))
			policy_edit_commit(&edit, "%s %s added", kind->word, name);
		policy_edit_end(&edit);
	}
	command_settings_fini(&settings);
}

/* The entry of a file, or -1 and the call refused. */
static int
find(struct policy_edit *edit, const struct trust_kind *kind, const char *name)
{
	int element = policy_edit_find(edit, kind->member, name);

	if (element < 0)
		call_refuse(edit->call, CTL_REFUSED,
			    "trust.conf has no %s %.80s: `trust list` shows what it has",
			    kind->word, name);
	return element;
}

static void
set(struct call *call, const struct trust_kind *kind)
{
	const char *name = call->arguments[0];
	struct command_settings settings;
	struct policy_edit edit;
	int element;

	command_settings_init(&settings);
	if (!take_settings(&settings, call, kind))
		goto out;
	if (!settings.count) {
		call_refuse(call, CTL_USAGE, "say what to change: `help %s` lists it",
			    call->command->words);
		goto out;
	}
	if (!policy_edit_begin_in(&edit, call, "trust", kind->list))
		goto out;
	element = find(&edit, kind, name);
	if (element >= 0 && policy_edit_set(&edit, (struct edit_place){ element, -1 },
					    settings.pairs, settings.count))
		policy_edit_commit(&edit, "%s %s changed", kind->word, name);
	policy_edit_end(&edit);
out:
	command_settings_fini(&settings);
}

static void
take_out(struct call *call, const struct trust_kind *kind)
{
	const char *name = call->arguments[0];
	struct policy_edit edit;
	int element;

	if (!policy_edit_begin_in(&edit, call, "trust", kind->list))
		return;
	element = find(&edit, kind, name);
	if (element >= 0 && policy_edit_remove(&edit, (struct edit_place){ element, -1 }))
		policy_edit_commit(&edit, "%s %s removed; its file stays in certs/", kind->word,
				   name);
	policy_edit_end(&edit);
}

void
command_trust_add_anchor(struct call *call)
{
	add(call, &anchors);
}

void
command_trust_add_own(struct call *call)
{
	add(call, &own);
}

void
command_trust_set_anchor(struct call *call)
{
	set(call, &anchors);
}

void
command_trust_set_own(struct call *call)
{
	set(call, &own);
}

void
command_trust_remove_anchor(struct call *call)
{
	take_out(call, &anchors);
}

void
command_trust_remove_own(struct call *call)
{
	take_out(call, &own);
}

/* --- lists of texts: revocation lists, and who is denied --- */

/* The next list of an authority comes under the name of the former one: then the file alone changes. */
void
command_trust_add_crl(struct call *call)
{
	const char *name = name_of(call);
	struct policy_edit edit;
	bool is_next;

	if (!name || !policy_edit_begin_in(&edit, call, "trust", "crls"))
		return;
	is_next = policy_edit_find_text(&edit, name) >= 0;
	if (take_file(&edit, name, is_next) && (is_next || policy_edit_append_text(&edit, name)))
		policy_edit_commit(&edit, "revocation list %s is as it was given", name);
	policy_edit_end(&edit);
}

static void
take_text_out(struct call *call, const char *list, const char *text, const char *what)
{
	struct policy_edit edit;
	int element;

	if (!policy_edit_begin_in(&edit, call, "trust", list))
		return;
	element = policy_edit_find_text(&edit, text);
	if (element < 0)
		call_refuse(call, CTL_REFUSED,
			    "trust.conf has no %s %.80s: `trust list` shows what it has", what,
			    text);
	else if (policy_edit_remove(&edit, (struct edit_place){ element, -1 }))
		policy_edit_commit(&edit, "%s %s removed", what, text);
	policy_edit_end(&edit);
}

void
command_trust_remove_crl(struct call *call)
{
	take_text_out(call, "crls", call->arguments[0], "revocation list");
}

/* A hash as trust.conf has it: the digits of an identity, or as they come. */
static const char *
digits_of(struct call *call, char out[DTLS_IDENTITY_MAX + 1])
{
	const char *given = call->arguments[0];
	size_t len = strlen(given);

	if (len > DTLS_IDENTITY_MAX) {
		call_refuse(call, CTL_USAGE, "a hash has 64 hex digits");
		return NULL;
	}
	memcpy(out, given, len + 1);
	switch (hash_identity_normalise(out, &len)) {
	case HASH_IDENTITY_NONE:
		return out;
	case HASH_IDENTITY_GOOD:
		out[len] = '\0';
		return out + IDENTITY_HASH_PREFIX;
	case HASH_IDENTITY_WRONG:
		break;
	}
	call_refuse(call, CTL_USAGE, "it must be " HASH_IDENTITY_WANTED);
	return NULL;
}

void
command_trust_deny(struct call *call)
{
	char bytes[DTLS_IDENTITY_MAX + 1];
	const char *digits = digits_of(call, bytes);
	struct policy_edit edit;

	if (!digits || !policy_edit_begin_in(&edit, call, "trust", "deny"))
		return;
	if (policy_edit_find_text(&edit, digits) >= 0)
		call_refuse(call, CTL_REFUSED, "%s is denied already", digits);
	else if (policy_edit_append_text(&edit, digits))
		policy_edit_commit(&edit, "%s denied", digits);
	policy_edit_end(&edit);
}

void
command_trust_allow(struct call *call)
{
	char bytes[DTLS_IDENTITY_MAX + 1];
	const char *digits = digits_of(call, bytes);

	if (digits)
		take_text_out(call, "deny", digits, "entry of the deny list");
}
