/* Before 3.12: the profile hook. A thread calls only its own, so each one gets it. */
#include "exact/tracer.h"

#if FRONT_END_PROFILE

#include <opcode.h>

/* A generator that starts is at its RESUME 0; one that resumes, or is thrown into, is elsewhere. */
static bool starts(PyFrameObject *frame, PyCodeObject *code) {
    if (!(code->co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR))) return true;
    int at = PyFrame_GetLasti(frame);
    if (at < 0) return true;
    const unsigned char *instruction = (const unsigned char *)code->co_code_adaptive + at;
    return (instruction[0] == RESUME || instruction[0] == RESUME_QUICK || instruction[0] == DO_TRACING) &&
           instruction[1] == 0;
}

static int profile(PyObject *self, PyFrameObject *frame, int event, PyObject *argument) {
    Tracer *tracer = (Tracer *)self;
    if (!tracer->running) return 0;
    switch (event) {
    case PyTrace_CALL:
    case PyTrace_RETURN: {
        if (event == PyTrace_RETURN && !tracer->counting) break;
        PyCodeObject *code = PyFrame_GetCode(frame);
        uint32_t number = number_of_code(tracer, (PyObject *)code);
        if (!tracer->counting)
            ;
        else if (event == PyTrace_CALL)
            enter(tracer, number, starts(frame, code));
        else
            leave(tracer, number);
        Py_DECREF(code);
        break;
    }
    case PyTrace_C_CALL:
        if (tracer->counting) enter(tracer, number_of_c_function(tracer, argument), true);
        break;
    case PyTrace_C_RETURN:
    case PyTrace_C_EXCEPTION:
        if (tracer->counting) leave(tracer, number_of_c_function(tracer, argument));
        break;
    }
    return 0;
}

static int install(Tracer *tracer, PyThreadState *thread, Py_tracefunc hook) {
    tracer->installer = PyThreadState_GetID(PyThreadState_Get());
    int result = _PyEval_SetProfile(thread, hook, hook ? (PyObject *)tracer : NULL);
    tracer->installer = 0;
    return result;
}

static bool is_installed(const Tracer *tracer, const PyThreadState *thread) {
    return thread->c_profilefunc == profile && thread->c_profileobj == (const PyObject *)tracer;
}

int front_end_start(Tracer *tracer) {
    PyThreadState *own = PyThreadState_Get();
    for (PyThreadState *t = PyInterpreterState_ThreadHead(own->interp); t; t = PyThreadState_Next(t))
        if (t->c_profilefunc) {
            PyErr_SetString(PyExc_RuntimeError, "a thread has another profile function");
            return -1;
        }
    for (PyThreadState *t = PyInterpreterState_ThreadHead(own->interp); t; t = PyThreadState_Next(t))
        if (install(tracer, t, profile) < 0) return -1;
    return 0;
}

int front_end_stop(Tracer *tracer) {
    PyThreadState *own = PyThreadState_Get();
    for (PyThreadState *t = PyInterpreterState_ThreadHead(own->interp); t; t = PyThreadState_Next(t))
        if (is_installed(tracer, t) && install(tracer, t, NULL) < 0) return -1;
    return 0;
}

int front_end_phase(Tracer *Py_UNUSED(tracer)) { return 0; }

int front_end_intact(Tracer *tracer) { return tracer->running && is_installed(tracer, PyThreadState_Get()); }

PyObject *front_end_thread(Tracer *tracer, PyObject *const *arguments, Py_ssize_t count) {
    if (count != 3 || !PyFrame_Check(arguments[0])) {
        PyErr_SetString(PyExc_TypeError, "a profile function takes a frame, an event and an argument");
        return NULL;
    }
    if (!tracer->running) Py_RETURN_NONE;
    if (install(tracer, PyThreadState_Get(), profile) < 0) return NULL;
    if (PyUnicode_Check(arguments[1]) && PyUnicode_CompareWithASCIIString(arguments[1], "call") == 0)
        profile((PyObject *)tracer, (PyFrameObject *)arguments[0], PyTrace_CALL, arguments[2]);
    Py_RETURN_NONE;
}

#endif
