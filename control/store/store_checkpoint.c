#include "control/store/store_checkpoint.h"

#include <errno.h>

#include "control/guard/thread_guard.h"

static void *
run(void *arg)
{
	struct store_checkpoint *checkpoint = arg;
	int pages, moved;

	thread_guard_enter(THREAD_STORE);
	pthread_mutex_lock(&checkpoint->lock);
	for (;;) {
		while (!checkpoint->wanted && !checkpoint->ending)
			pthread_cond_wait(&checkpoint->wake, &checkpoint->lock);
		if (checkpoint->ending)
			break;
		pthread_mutex_unlock(&checkpoint->lock);
		/* What fails now is tried again with the next pages; the writer sees why. */
		if (sqlite3_wal_checkpoint_v2(checkpoint->db, NULL, SQLITE_CHECKPOINT_PASSIVE,
					      &pages, &moved) != SQLITE_OK)
			moved = 0;
		pthread_mutex_lock(&checkpoint->lock);
		checkpoint->moved = moved > 0 ? moved : 0;
		checkpoint->wanted = false;
	}
	pthread_mutex_unlock(&checkpoint->lock);
	return NULL;
}

bool
store_checkpoint_tell(struct store_checkpoint *checkpoint, int pages)
{
	bool last = false;

	pthread_mutex_lock(&checkpoint->lock);
	if (checkpoint->moved > pages)
		checkpoint->moved = 0; /* the log has begun anew */
	if (!checkpoint->wanted && pages - checkpoint->moved >= checkpoint->every) {
		checkpoint->wanted = true;
		pthread_cond_signal(&checkpoint->wake);
	} else if (!checkpoint->wanted) {
		last = pages >= LOG_MAX_PAGES;
	}
	pthread_mutex_unlock(&checkpoint->lock);
	return last;
}

int
store_checkpoint_start(struct store_checkpoint *checkpoint, const struct store_file *file)
{
	int code;

	*checkpoint = (struct store_checkpoint){ .every = CHECKPOINT_PAGES };
	code = sqlite3_open_v2(file->path, &checkpoint->db,
			       SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(checkpoint->db, file->schema->pragmas, NULL, NULL, NULL);
	if (code != SQLITE_OK) {
		sqlite3_close(checkpoint->db);
		checkpoint->db = NULL;
		return -EIO;
	}
	pthread_mutex_init(&checkpoint->lock, NULL);
	pthread_cond_init(&checkpoint->wake, NULL);
	code = pthread_create(&checkpoint->thread, NULL, run, checkpoint);
	checkpoint->started = code == 0;
	return -code;
}

void
store_checkpoint_fini(struct store_checkpoint *checkpoint)
{
	if (checkpoint->started) {
		pthread_mutex_lock(&checkpoint->lock);
		checkpoint->ending = true;
		pthread_cond_signal(&checkpoint->wake);
		pthread_mutex_unlock(&checkpoint->lock);
		pthread_join(checkpoint->thread, NULL);
		pthread_cond_destroy(&checkpoint->wake);
		pthread_mutex_destroy(&checkpoint->lock);
	}
	sqlite3_close(checkpoint->db);
	*checkpoint = (struct store_checkpoint){ 0 };
}
