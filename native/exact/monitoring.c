/* Since 3.12: sys.monitoring (PEP 669), for all threads. Where nothing is counted a function is seen once. */
#include "exact/tracer.h"

#if !FRONT_END_PROFILE

enum { PY_START, PY_RESUME, PY_RETURN, PY_YIELD, PY_UNWIND, PY_THROW, CALL, C_RETURN, C_RAISE, EVENTS };
static const char *const event_names[EVENTS] = {"PY_START", "PY_RESUME", "PY_RETURN", "PY_YIELD", "PY_UNWIND",
                                                "PY_THROW", "CALL",      "C_RETURN",  "C_RAISE"};

#define TOOLS 6

static PyObject *on_start(Tracer *tracer, PyObject *const *arguments, Py_ssize_t Py_UNUSED(count)) {
    uint32_t number = number_of_code(tracer, arguments[0]);
    if (!tracer->counting) return Py_NewRef(tracer->disable);
    enter(tracer, number, true);
    Py_RETURN_NONE;
}

static PyObject *on_resume(Tracer *tracer, PyObject *const *arguments, Py_ssize_t Py_UNUSED(count)) {
    if (tracer->counting) enter(tracer, number_of_code(tracer, arguments[0]), false);
    Py_RETURN_NONE;
}

static PyObject *on_end(Tracer *tracer, PyObject *const *arguments, Py_ssize_t Py_UNUSED(count)) {
    if (tracer->counting) leave(tracer, number_of_code(tracer, arguments[0]));
    Py_RETURN_NONE;
}

static PyObject *on_call(Tracer *tracer, PyObject *const *arguments, Py_ssize_t Py_UNUSED(count)) {
    if (tracer->counting && is_c_function(arguments[2]))
        enter(tracer, number_of_c_function(tracer, arguments[2]), true);
    Py_RETURN_NONE;
}

static PyObject *on_c_end(Tracer *tracer, PyObject *const *arguments, Py_ssize_t Py_UNUSED(count)) {
    if (tracer->counting && is_c_function(arguments[2])) leave(tracer, number_of_c_function(tracer, arguments[2]));
    Py_RETURN_NONE;
}

#define CALLBACK(name, function) {name, (PyCFunction)(void (*)(void))(function), METH_FASTCALL, NULL}
static PyMethodDef callbacks[EVENTS] = {
    CALLBACK("on_start", on_start), CALLBACK("on_resume", on_resume),  CALLBACK("on_return", on_end),
    CALLBACK("on_yield", on_end),   CALLBACK("on_unwind", on_end),     CALLBACK("on_throw", on_resume),
    CALLBACK("on_call", on_call),   CALLBACK("on_c_return", on_c_end), CALLBACK("on_c_raise", on_c_end),
};

/* Each mask has one bit; 0 with an exception set. */
static long event_mask(Tracer *tracer, int event) {
    PyObject *events = PyObject_GetAttrString(tracer->monitoring, "events");
    PyObject *value = events ? PyObject_GetAttrString(events, event_names[event]) : NULL;
    long mask = value ? PyLong_AsLong(value) : 0;
    Py_XDECREF(value);
    Py_XDECREF(events);
    return mask < 0 ? 0 : mask;
}

static long wanted(Tracer *tracer) {
    long all = 0;
    for (int event = 0; event < (tracer->counting ? C_RETURN : PY_START + 1); event++) {
        long mask = event_mask(tracer, event); /* C_RETURN and C_RAISE come with CALL */
        if (!mask) return -1;
        all |= mask;
    }
    return all;
}

static int set_events(Tracer *tracer, long events) {
    PyObject *done = PyObject_CallMethod(tracer->monitoring, "set_events", "il", tracer->tool, events);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* With None in place of the callbacks they are removed. */
static int register_callbacks(Tracer *tracer, bool remove) {
    for (int event = 0; event < EVENTS; event++) {
        long mask = event_mask(tracer, event);
        PyObject *callback = remove ? Py_NewRef(Py_None) : PyCFunction_New(&callbacks[event], (PyObject *)tracer);
        PyObject *old = mask && callback ? PyObject_CallMethod(tracer->monitoring, "register_callback", "ilO",
                                                               tracer->tool, mask, callback)
                                         : NULL;
        Py_XDECREF(callback);
        if (!old) return -1;
        Py_DECREF(old);
    }
    return 0;
}

static int take_tool(Tracer *tracer) {
    static const int preferred[TOOLS] = {4, 3, 5, 2, 1, 0}; /* those without a customary owner first */
    for (int i = 0; i < TOOLS; i++) {
        PyObject *done = PyObject_CallMethod(tracer->monitoring, "use_tool_id", "is", preferred[i], "pytest-flame");
        if (done) {
            Py_DECREF(done);
            tracer->tool = preferred[i];
            return 0;
        }
        if (!PyErr_ExceptionMatches(PyExc_ValueError)) return -1;
        PyErr_Clear();
    }
    PyErr_SetString(PyExc_RuntimeError, "sys.monitoring has no free tool id");
    return -1;
}

static int release(Tracer *tracer) {
    int result = set_events(tracer, 0) < 0 || register_callbacks(tracer, true) < 0 ? -1 : 0;
    PyObject *done = result < 0 ? NULL : PyObject_CallMethod(tracer->monitoring, "free_tool_id", "i", tracer->tool);
    if (!done) return -1;
    Py_DECREF(done);
    tracer->tool = -1;
    return 0;
}

int front_end_start(Tracer *tracer) {
    if (!tracer->monitoring) {
        tracer->monitoring = Py_XNewRef(PySys_GetObject("monitoring"));
        if (!tracer->monitoring) {
            PyErr_SetString(PyExc_RuntimeError, "this Python has no sys.monitoring");
            return -1;
        }
        tracer->disable = PyObject_GetAttrString(tracer->monitoring, "DISABLE");
        if (!tracer->disable) return -1;
    }
    tracer->installer = PyThreadState_GetID(PyThreadState_Get());
    int result = take_tool(tracer);
    if (result == 0 && (register_callbacks(tracer, false) < 0 || front_end_phase(tracer) < 0)) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        if (release(tracer) < 0) PyErr_Clear();
        PyErr_Restore(type, value, traceback);
        result = -1;
    }
    tracer->installer = 0;
    return result;
}

int front_end_stop(Tracer *tracer) {
    int intact = front_end_intact(tracer);
    if (intact < 0) return -1;
    if (!intact) return 0; /* the id is somebody else's now */
    tracer->installer = PyThreadState_GetID(PyThreadState_Get());
    int result = release(tracer);
    tracer->installer = 0;
    return result;
}

int front_end_phase(Tracer *tracer) {
    long events = wanted(tracer);
    if (events < 0 || set_events(tracer, events) < 0) return -1;
    PyObject *done = PyObject_CallMethod(tracer->monitoring, "restart_events", NULL);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

int front_end_intact(Tracer *tracer) {
    if (tracer->tool < 0) return 0;
    PyObject *name = PyObject_CallMethod(tracer->monitoring, "get_tool", "i", tracer->tool);
    if (!name) return -1;
    bool own = PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "pytest-flame") == 0;
    Py_DECREF(name);
    if (!own) return 0;
    PyObject *value = PyObject_CallMethod(tracer->monitoring, "get_events", "i", tracer->tool);
    long events = value ? PyLong_AsLong(value) : -1;
    Py_XDECREF(value);
    if (events == -1 && PyErr_Occurred()) return -1;
    long expected = wanted(tracer);
    if (expected < 0) return -1;
    return (events & expected) == expected;
}

PyObject *front_end_thread(Tracer *Py_UNUSED(tracer), PyObject *const *Py_UNUSED(arguments),
                           Py_ssize_t Py_UNUSED(count)) {
    PyErr_SetString(PyExc_RuntimeError, "new threads are traced without it");
    return NULL;
}

#endif
