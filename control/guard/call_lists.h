/*
 * call_lists.h - which system calls each kind of thread may make, as programs for the kernel (seccomp(2)).
 *
 * The lists stand in call_lists.c, by purpose. A thread has the list of the process from its start, and narrows it
 * to that of its kind (thread_guard.h). Control thread, before any other. Allocates; what it made is never freed, as
 * threads use it to the end.
 */
#pragma once

#include <linux/filter.h>
#include <stdbool.h>

enum thread_kind {
	THREAD_PROCESS, /* the control thread: the only one that may start a program, for an upgrade */
	THREAD_LIBRARY, /* those that DPDK and others start for themselves */
	THREAD_NETWORK, /* talks to servers over the network, by a library, and may read or write the store */
	THREAD_WORKER,  /* polls ports: everything that comes from the network passes here first */
	THREAD_HELPER,  /* computes with certificates, where a PKCS#11 module runs; or looks at other threads */
	THREAD_STORE,   /* reads and writes files: store, copies, audit */
	THREAD_KINDS,
};

enum seccomp_mode { /* the setting `seccomp` */
		    SECCOMP_OFF,
		    SECCOMP_LOG, /* the kernel's log tells of calls that no list has, and lets them pass */
		    SECCOMP_ENFORCE, /* such a call ends the process, and is named on standard error */
};

/* What ports need beyond the lists. */
struct call_needs {
	bool bpf; /* AF_XDP loads a program into the kernel whenever it opens an interface */
};

/* 0, or -errno. `program` is good until the process ends. */
int call_list_compile(enum thread_kind kind, enum seccomp_mode mode, const struct call_needs *needs,
		      struct sock_fprog *program);
const char *thread_kind_name(enum thread_kind kind);
/* The name of a system call's number, "?" for one that nobody knew when this was built. Async-signal-safe once
 * call_names_init() was called. */
const char *call_name(int number);
void call_names_init(void);
