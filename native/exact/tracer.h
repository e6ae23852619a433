/* Counts calls: every callable gets a number, every thread has a shadow stack of those that run, and each start of one
 * counts for the edge from its caller. The front ends report what starts, resumes and ends. */
#pragma once

#include <Python.h>

#include <stdbool.h>

#include "exact/table.h"

#if PY_VERSION_HEX < 0x030C0000
#define FRONT_END_PROFILE 1 /* the profile hook, which sees every event of a thread */
#else
#define FRONT_END_PROFILE 0 /* sys.monitoring (PEP 669) */
#endif

#define PHASES 8
#define OUTSIDE 0 /* the caller of what was called from frames older than the phase; callables count from 1 */

typedef struct {
    uint32_t callable;
    bool counted;
    uint32_t path; /* its number, or 0 */
} Running;

typedef struct {
    uint64_t thread; /* PyThreadState_GetID(): never used again, unlike the address */
    Running *entries;
    size_t depth, room;
} ShadowStack;

/* A callable below its callers. Paths count from 1. */
typedef struct {
    uint32_t above; /* the caller's path, or 0 */
    uint32_t callable;
    uint64_t calls;
} Path;

typedef struct {
    PyObject_HEAD PyObject *callables; /* code objects and (module, qualname) of C functions; number n is at n - 1 */
    PyObject *numbers;                 /* (module, qualname) → number */
    PyObject *kept;                    /* keeps the method definitions alive whose addresses are known */
    Table known;                       /* address of a code object, method definition or type → number */
    Table edges[PHASES];               /* caller << 32 | callee → calls; empty with `by_path` */
    bool by_path;                      /* calls are counted for each path of callers */
    Table below;                       /* path << 32 | callable → the path with it */
    Path *paths;
    size_t path_count, path_room;
    int phase;
    bool counting;     /* in this phase; else callables are only numbered */
    PyObject *body;    /* calls below it are counted; NULL: all of the phase */
    bool body_started; /* so that threads may be the body's */
    uint64_t phase_thread;
    ShadowStack *stacks;
    size_t stack_count;
    ShadowStack *current; /* the last one used */
    uint64_t unbalanced;  /* ends that match no start on the thread's stack */
    bool no_memory;
    bool running;
    uint64_t installer;   /* the thread that is changing the hooks, or 0 */
    PyObject *monitoring; /* sys.monitoring */
    PyObject *disable;    /* sys.monitoring.DISABLE */
    int tool;             /* id at sys.monitoring, or -1 */
} Tracer;

/* The number of a code object, OUTSIDE without memory. */
uint32_t number_of_code(Tracer *tracer, PyObject *code);

/* Whether the callable is one that Python's profilers call a C function. */
bool is_c_function(PyObject *callable);

/* The number of such a C function, the same for all objects it is bound to; OUTSIDE without memory. */
uint32_t number_of_c_function(Tracer *tracer, PyObject *callable);

/* A callable starts, or a generator resumes, which is no call. */
void enter(Tracer *tracer, uint32_t callable, bool starts);
void leave(Tracer *tracer, uint32_t callable);

/* The front end. -1 with an exception set. */
int front_end_start(Tracer *tracer);
int front_end_stop(Tracer *tracer);
int front_end_phase(Tracer *tracer);  /* `counting` has changed, or a new phase of the same kind began */
int front_end_intact(Tracer *tracer); /* 1: it still gets all events; 0: somebody else took its place */
/* Of a new thread: `tracer` gets (frame, event, argument). */
PyObject *front_end_thread(Tracer *tracer, PyObject *const *arguments, Py_ssize_t count);
