/* Writes to requests, and the steps that devices share. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/compile/compile_internal.h"
#include "tasks/hash.h"
#include "tasks/model/write.h"

static int
compare_paths(const struct lwm2m_path *a, const struct lwm2m_path *b)
{
	if (a->object != b->object)
		return a->object < b->object ? -1 : 1;
	if (a->instance != b->instance)
		return a->instance < b->instance ? -1 : 1;
	if (a->resource != b->resource)
		return a->resource < b->resource ? -1 : 1;
	if (a->resource_instance != b->resource_instance)
		return a->resource_instance < b->resource_instance ? -1 : 1;
	return 0;
}

/* Over what a shared step is made from: 32-bit pieces of pointers and ids. */
static unsigned
shared_bucket(const struct lwm2m_path *target, int format, const struct task_node *const *writes,
	      unsigned n_writes)
{
	uint64_t hash = HASH64_EMPTY;

	hash = hash64_word(hash, (uint32_t)target->object);
	hash = hash64_word(hash, (uint32_t)target->instance);
	hash = hash64_word(hash, (uint32_t)target->resource);
	hash = hash64_word(hash, (uint32_t)format);
	for (unsigned i = 0; i < n_writes; i++)
		hash = hash64_word(hash, (uintptr_t)writes[i]);
	return (unsigned)(hash >> 32 ^ hash) % SHARED_BUCKETS;
}

static bool
shared_is(const struct shared_step *shared, const struct batch_request *request,
	  const struct task_node *const *writes, unsigned n_writes)
{
	const struct batch_step *step = shared->step;

	return step->code == request->code && step->expect == request->expect &&
	       step->task == request->task && step->number == request->number &&
	       step->on_error == request->on_error && step->correction == request->correction &&
	       shared->n_writes == n_writes &&
	       shared->format ==
		       (request->content_format >= 0 ? request->content_format : request->accept) &&
	       !compare_paths(&shared->target, &request->path) &&
	       !memcmp(shared->writes, writes, n_writes * sizeof *writes);
}

/* The newest step of the builder becomes a shared one. Without memory it just stays this
 * device's own. */
static void
shared_add(struct compiler *compiler, const struct batch_request *request,
	   struct shared_step **bucket, const struct task_node *const *writes, unsigned n_writes)
{
	struct shared_step *shared;

	if (compiler->n_shared == SHARED_MAX)
		return;
	shared = malloc(sizeof *shared + n_writes * sizeof *writes);
	if (!shared)
		return;
	shared->step = batch_builder_extract(&compiler->builder);
	if (!shared->step) {
		free(shared);
		return;
	}
	shared->target = request->path;
	shared->format = request->content_format >= 0 ? request->content_format : request->accept;
	shared->n_writes = n_writes;
	memcpy(shared->writes, writes, n_writes * sizeof *writes);
	shared->next = *bucket;
	*bucket = shared;
	compiler->n_shared++;
}

/* The values of one request: all of the group's, or those of one of its resources. */
struct records_view {
	const struct lwm2m_record *at;
	size_t count;
};

/*
 * Adds the step of a request whose bytes depend on no device: values of the group when it has a
 * content format, else nothing. Returns 0 or -errno.
 */
static int
add_shared(struct compiler *compiler, const struct batch_request *request,
	   const struct records_view *records)
{
	struct write_group *group = &compiler->group;
	unsigned n_writes = request->content_format >= 0 ? group->n_writes : 0;
	int format = request->content_format >= 0 ? request->content_format : request->accept;
	struct shared_step **bucket, *shared;
	struct bytes_out payload;
	int error;

	bucket = &compiler->buckets[shared_bucket(&request->path, format, group->writes, n_writes)];
	for (shared = *bucket; shared; shared = shared->next)
		if (shared_is(shared, request, group->writes, n_writes))
			return batch_builder_share(&compiler->builder, shared->step);
	error = batch_builder_begin(&compiler->builder, request, &payload);
	if (!error && n_writes)
		error = content_encode(group->format, &request->path, records->at, records->count,
				       &payload);
	if (error)
		return error;
	batch_builder_commit(&compiler->builder, &payload);
	shared_add(compiler, request, bucket, group->writes, n_writes);
	return 0;
}

static int
add_own(struct compiler *compiler, const struct batch_request *request,
	const struct records_view *records)
{
	struct bytes_out payload;
	int error = batch_builder_begin(&compiler->builder, request, &payload);

	if (!error)
		error = content_encode((enum content_format)request->content_format, &request->path,
				       records->at, records->count, &payload);
	if (!error)
		batch_builder_commit(&compiler->builder, &payload);
	return error;
}

static enum flow
fail_step(struct run *run, const struct task_node *node, int error)
{
	switch (error) {
	case -EMSGSIZE:
		return run_fail(run, node, -1, "the request would have more than %d bytes",
				BATCH_PAYLOAD_MAX);
	case -EINVAL:
		return run_fail(run, node, -1, "the content format cannot carry these values");
	case -ENOTSUP:
		return run_fail(run, node, -1, "writes cannot be sent in this content format");
	case -E2BIG:
		return run_fail(run, node, -1, "the run has more than %d requests, or %d bytes",
				BATCH_STEPS_MAX - 1, BATCH_BYTES_MAX);
	default:
		return run_fail(run, node, -1, "out of memory");
	}
}

/* One step is left for Finish. */
static bool
is_full(const struct run *run)
{
	return run->compiler->builder.n_steps >= BATCH_STEPS_MAX - 1;
}

/* One request of the group. Returns 0 or -errno. */
static int
send_records(struct run *run, const struct lwm2m_path *target, const struct records_view *records)
{
	const struct write_group *group = &run->compiler->group;
	struct batch_request request = {
		.code = COAP_PUT,
		.expect = BATCH_EXPECT_WRITE,
		.task = run->index,
		.number = (uint16_t)(run->number + 1),
		.on_error = run->on_error,
		.correction = run->correction,
		.credential = group->credential,
		.path = *target,
		.content_format = group->format,
		.accept = -1,
	};
	int error = -E2BIG;

	if (is_full(run))
		return error;
	if (group->constant)
		error = add_shared(run->compiler, &request, records);
	else
		error = add_own(run->compiler, &request, records);
	if (error)
		return error;
	run->number++;
	run->corrections += run->correction;
	return 0;
}

/* How many of the records have the first one's instance; and resource, too, when `resource`. */
static size_t
alike(const struct records_view *records, bool resource)
{
	const struct lwm2m_path *first = &records->at->path;
	size_t n = 1;

	while (n < records->count && records->at[n].path.object == first->object &&
	       records->at[n].path.instance == first->instance &&
	       (!resource || records->at[n].path.resource == first->resource))
		n++;
	return n;
}

static struct records_view
take(struct records_view *records, size_t n)
{
	struct records_view taken = { records->at, n };

	records->at += n;
	records->count -= n;
	return taken;
}

/* A request for each resource. Returns 0 or -errno. */
static int
send_resources(struct run *run, struct records_view records)
{
	int error = 0;

	while (records.count && !error) {
		struct records_view resource = take(&records, alike(&records, true));
		struct lwm2m_path target = resource.at->path;

		target.resource_instance = -1;
		error = send_records(run, &target, &resource);
	}
	return error;
}

/* Keeps in mind what was written. False: no memory. */
static bool
remember(struct run *run, struct records_view records)
{
	bool fine = true;

	while (records.count && fine) {
		struct records_view instance = take(&records, alike(&records, false));

		fine = written_add(&run->shared->written, &run->compiler->arena, instance.at,
				   instance.count, run->correction);
	}
	return fine;
}

/* Whether the group as one request would remove what the run has written or read before. */
static bool
would_remove(const struct run *run, const struct records_view *records)
{
	const struct lwm2m_path *target = &run->compiler->group.target;

	return !run->whole_instances && target->instance >= 0 && target->resource < 0 &&
	       written_would_remove(run->shared->written, records->at, records->count,
				    run->correction);
}

enum flow
run_flush(struct run *run)
{
	struct write_group *group = &run->compiler->group;
	struct records_view records = { group->records, group->n_records };
	int error;

	if (!group->n_writes || run->shared->pack)
		return FLOW_NEXT;
	assert(group->n_records && group->n_writes <= GROUP_RECORDS_MAX);
	if (would_remove(run, &records))
		error = send_resources(run, records);
	else
		error = send_records(run, &group->target, &records);
	if (!error && !remember(run, records))
		error = -ENOMEM;
	if (error)
		return fail_step(run, group->writes[0], error);
	group->n_writes = group->n_records = 0;
	return FLOW_NEXT;
}

enum flow
run_request(struct run *run, const struct task_node *node, const struct lwm2m_path *path)
{
	struct batch_request request = {
		.code = COAP_GET,
		.task = run->index,
		.on_error = run->on_error,
		.correction = run->correction,
		.path = *path,
		.content_format = -1,
		.accept = -1,
	};
	int error = -E2BIG;

	if (run->shared->pack)
		return pack_request(run, node, path);
	if (run_flush(run))
		return FLOW_FAILED;
	request.number = (uint16_t)(run->number + 1);
	if (node->tag == TAG_DISCOVER) {
		request.expect = BATCH_EXPECT_DISCOVER;
		request.accept = FORMAT_LINK;
	} else if (node->tag == TAG_READ) {
		request.expect = BATCH_EXPECT_READ;
		request.accept = (int)run->format;
	} else {
		request.code = COAP_DELETE;
		request.expect = BATCH_EXPECT_DELETE;
	}
	if (!is_full(run))
		error = add_shared(run->compiler, &request, NULL);
	if (!error && node->tag == TAG_DELETE && !accounts_note_deleted(&run->shared->accounts, &run->compiler->arena, path))
		error = -ENOMEM;
	if (!error && node->tag != TAG_DISCOVER && node->tag != TAG_READ &&
	    !written_note(&run->shared->written, &run->compiler->arena, WRITTEN_DELETED, path,
			  run->correction))
		error = -ENOMEM;
	if (error)
		return fail_step(run, node, error);
	run->number++;
	run->corrections += run->correction;
	return FLOW_NEXT;
}

int
compile_finish_step(struct compiler *compiler, uint8_t task, uint16_t number, bool correction)
{
	struct batch_request request = {
		.code = COAP_POST,
		.expect = BATCH_EXPECT_FINISH,
		.task = task,
		.number = number,
		.correction = correction,
		.path = { -1, -1, -1, -1 },
		.content_format = -1,
		.accept = -1,
	};

	return add_shared(compiler, &request, NULL);
}

/* What a request with this value addresses. */
static struct lwm2m_path
write_target(const struct run *run, const struct lwm2m_path *path, enum content_format format)
{
	struct lwm2m_path target = *path;

	if (run->shared->pack)
		return (struct lwm2m_path){ -1, -1, -1, -1 };
	/* These carry one value: OMA TS Core 7.4. */
	if (format == FORMAT_TEXT || format == FORMAT_OPAQUE || format == FORMAT_CBOR)
		return target;
	target.resource_instance = -1;
	if (run->granularity == GRANULARITY_RESOURCE)
		return target;
	target.resource = -1;
	if (run->granularity == GRANULARITY_OBJECT)
		target.instance = -1;
	return target;
}

/* Keeps records ascending; a value written twice goes out once, the later one. */
static bool
add_record(struct write_group *group, const struct lwm2m_path *path,
	   const struct lwm2m_value *value)
{
	unsigned at = group->n_records;

	while (at && compare_paths(path, &group->records[at - 1].path) < 0)
		at--;
	if (at && !compare_paths(path, &group->records[at - 1].path)) {
		group->records[at - 1].value = *value;
		return true;
	}
	if (group->n_records == GROUP_RECORDS_MAX)
		return false;
	if (at < group->n_records)
		memmove(&group->records[at + 1], &group->records[at],
			(group->n_records - at) * sizeof *group->records);
	group->records[at] = (struct lwm2m_record){ *path, *value };
	group->n_records++;
	assert(group->n_records <= GROUP_RECORDS_MAX);
	return true;
}

/* What goes to a resource for keys is secret, whoever made it. */
static bool
note_keys(struct run *run, const struct task_write *write)
{
	bool fine = true;

	if (!key_path_is_secret(&write->key.path))
		return true;
	for (unsigned i = 0; fine && i < write->n_values; i++)
		if (write->values[i].type == LWM2M_OPAQUE || write->values[i].type == LWM2M_STRING)
			fine = secrets_add(&run->shared->secrets, &run->compiler->arena,
					   (const char *)write->values[i].bytes.at,
					   write->values[i].bytes.len);
	return fine;
}

/* What becomes an account of the device. */
static bool
note_account(struct run *run, const struct task_write *write)
{
	const struct lwm2m_path *path = &write->key.path;

	if (path->object != 0 || run->correction || !write->n_values)
		return true;
	run->compiler->group.credential |= run->generated && accounts_is_key(path);
	return accounts_note(&run->shared->accounts, &run->compiler->arena, path, &write->values[0],
			     run->generated);
}

/* A write with everything known. */
static enum flow
group_write(struct run *run, const struct task_node *node, const struct task_write *write)
{
	struct write_group *group = &run->compiler->group;
	enum content_format format =
		write->format >= 0 ? (enum content_format)write->format : run->format;
	struct lwm2m_path path = write->key.path;
	struct lwm2m_path target;

	if (write->format < 0 && run->block_format >= 0)
		format = (enum content_format)run->block_format;
	if (run->shared->pack)
		format = run->format;
	target = write_target(run, &path, format);
	if (group->n_writes &&
	    (format != group->format || compare_paths(&target, &group->target)) && run_flush(run))
		return FLOW_FAILED;
	if (!group->n_writes) {
		group->target = target;
		group->format = format;
		group->constant = true;
		group->credential = false;
	}
	if (!note_keys(run, write) || !note_account(run, write))
		return run_fail(run, node, -1, "out of memory");
	group->constant &= write == &node->write;
	if (group->n_writes == GROUP_RECORDS_MAX)
		return run_fail(run, node, -1, "one request takes at most %d writes",
				GROUP_RECORDS_MAX);
	group->writes[group->n_writes++] = node;
	for (unsigned i = 0; i < write->n_values; i++) {
		/* A multiple resource has instances on the wire, even one (OMA TS Core 7.4.3). */
		if (write->key.path.resource_instance < 0 &&
		    (write->n_values > 1 || (write->key.resource && write->key.resource->multiple)))
			path.resource_instance = (int32_t)i;
		if (!add_record(group, &path, &write->values[i]))
			return run_fail(run, node, -1, "one request takes at most %d values",
					GROUP_RECORDS_MAX);
	}
	return FLOW_NEXT;
}

/* The parts of a write that the device decides. */
static enum flow
resolve_key_and_type(struct run *run, const struct task_node *node, struct task_write *write)
{
	char error[WRITE_ERROR_MAX];
	struct value type;
	const char *given;

	if (!write->key_known) {
		if (run_key(run, node, &write->key))
			return FLOW_FAILED;
		if (write_check_key(&write->key, error))
			return run_fail(run, node, WRITE_KEY, "%s", error);
	}
	if (write->type_known)
		return FLOW_NEXT;
	if (run_value(run, node, WRITE_TYPE, &type))
		return FLOW_FAILED;
	if (type.kind != VALUE_NULL && type.kind != VALUE_STRING)
		return run_fail(run, node, WRITE_TYPE, "the value is %s and no type",
				value_kind_name(type.kind));
	given = type.kind == VALUE_STRING ? type.text.at : NULL;
	if (write_type(&write->key, given, given ? type.text.len : 0, &write->type, error))
		return run_fail(run, node, given ? WRITE_TYPE : WRITE_KEY, "%s", error);
	return FLOW_NEXT;
}

enum flow
run_write(struct run *run, const struct task_node *node)
{
	struct task_write write = node->write;
	struct convert convert;
	struct value value;
	int format;

	run->generated = false;
	if (write.fixed)
		return group_write(run, node, &node->write);
	if (resolve_key_and_type(run, node, &write) || run_needed(run, node, WRITE_VALUE, &value) ||
	    run_word(run, node, WRITE_FORMAT, format_by_name, &format))
		return FLOW_FAILED;
	write.format = format;
	run->generated = value.generated;
	convert.type = write.type;
	convert.resource = write.key.resource;
	convert.arena = &run->compiler->arena;
	convert.literal = node->attributes[WRITE_VALUE].literal;
	if (write_values(&convert, &write.key, &value, &write.values, &write.n_values))
		return run_fail(run, node, WRITE_VALUE, "%s", convert.error);
	return group_write(run, node, &write);
}

/* What the file holds, as its resource's type wants it. */
static enum flow
file_value(struct run *run, const struct task_node *node, enum lwm2m_type type,
	   struct lwm2m_value *value)
{
	const struct compile_hooks *hooks = &run->compiler->hooks;
	const struct compile_file *file = NULL;
	struct value id;

	if (run_name(run, node, UPLOAD_FILE, &id))
		return FLOW_FAILED;
	if (hooks->upload)
		file = hooks->upload(hooks->ctx, id.text.at, id.text.len);
	if (!file && node->attributes[UPLOAD_FILE].constant)
		return run_fail(run, node, UPLOAD_FILE, "unknown file \"%.*s\" to upload",
				(int)(id.text.len > 80 ? 80 : id.text.len), id.text.at);
	if (!file)
		return run_fail(run, node, UPLOAD_FILE, "unknown file: the computed name");
	if (file->len > BATCH_PAYLOAD_MAX)
		return run_fail(run, node, UPLOAD_FILE, "the file has more than %d bytes",
				BATCH_PAYLOAD_MAX);
	if (type != LWM2M_OPAQUE && !utf8_valid((const char *)file->bytes, file->len))
		return run_fail(run, node, UPLOAD_FILE,
				"the file is not valid UTF-8, but the resource is %s",
				lwm2m_type_name(type));
	*value = (struct lwm2m_value){ .type = type, .bytes = { file->bytes, file->len } };
	return FLOW_NEXT;
}

/* A resource that no definition knows takes the bytes as they are. */
enum flow
run_upload(struct run *run, const struct task_node *node)
{
	struct task_write write = node->write;
	char error[WRITE_ERROR_MAX];
	struct lwm2m_value value;

	if (!write.key_known && run_key(run, node, &write.key))
		return FLOW_FAILED;
	if (!write.key_known && write_check_key(&write.key, error))
		return run_fail(run, node, UPLOAD_KEY, "%s", error);
	write.type = write.key.resource ? write.key.resource->type : LWM2M_OPAQUE;
	if (!write_takes_file(write.type))
		return run_fail(run, node, UPLOAD_KEY,
				"a file's content goes into opaque and string resources");
	if (file_value(run, node, write.type, &value))
		return FLOW_FAILED;
	write.values = &value;
	write.n_values = 1;
	write.format = -1;
	run->generated = false;
	return group_write(run, node, &write);
}
