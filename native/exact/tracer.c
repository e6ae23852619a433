#include "exact/tracer.h"
#include "exact/status.h"

#define FIRST_ROOM 64
#define MOST_PATHS (1u << 24)

static ShadowStack *stack_of_thread(Tracer *tracer) {
    uint64_t thread = PyThreadState_GetID(PyThreadState_Get());
    if (tracer->current && tracer->current->thread == thread) return tracer->current;
    for (size_t i = 0; i < tracer->stack_count; i++)
        if (tracer->stacks[i].thread == thread) return tracer->current = &tracer->stacks[i];
    ShadowStack *more = realloc(tracer->stacks, (tracer->stack_count + 1) * sizeof *more);
    if (!more) return NULL;
    tracer->stacks = more;
    more[tracer->stack_count] = (ShadowStack){.thread = thread};
    return tracer->current = &more[tracer->stack_count++];
}

static void drop_stacks(Tracer *tracer) {
    for (size_t i = 0; i < tracer->stack_count; i++) free(tracer->stacks[i].entries);
    free(tracer->stacks);
    tracer->stacks = tracer->current = NULL;
    tracer->stack_count = 0;
}

static bool is_counted(Tracer *tracer, const ShadowStack *stack, uint32_t callable) {
    if (!tracer->body) return true;
    if (stack->depth && stack->entries[stack->depth - 1].counted) return true;
    if (PyList_GET_ITEM(tracer->callables, callable - 1) == tracer->body) return tracer->body_started = true;
    return !stack->depth && tracer->body_started && stack->thread != tracer->phase_thread;
}

static bool count_edge(Tracer *tracer, uint32_t caller, uint32_t callable) {
    uint64_t *calls = table_value(&tracer->edges[tracer->phase], (uint64_t)caller << 32 | callable);
    if (calls) ++*calls;
    return calls;
}

/* The path of `callable` below `above`; 0 without memory. */
static uint32_t path_below(Tracer *tracer, uint32_t above, uint32_t callable) {
    uint64_t *known = table_value(&tracer->below, (uint64_t)above << 32 | callable);
    if (!known || *known) return known ? (uint32_t)*known : 0;
    if (tracer->path_count == tracer->path_room) {
        size_t room = tracer->path_room ? tracer->path_room * 2 : FIRST_ROOM;
        Path *paths = room <= MOST_PATHS ? realloc(tracer->paths, room * sizeof *paths) : NULL;
        if (!paths) return 0;
        tracer->paths = paths;
        tracer->path_room = room;
    }
    tracer->paths[tracer->path_count++] = (Path){.above = above, .callable = callable};
    return (uint32_t)(*known = tracer->path_count);
}

void enter(Tracer *tracer, uint32_t callable, bool starts) {
    ShadowStack *stack = stack_of_thread(tracer);
    if (!stack || callable == OUTSIDE) {
        tracer->no_memory = true;
        return;
    }
    if (stack->depth == stack->room) {
        size_t room = stack->room ? stack->room * 2 : FIRST_ROOM;
        Running *entries = realloc(stack->entries, room * sizeof *entries);
        if (!entries) {
            tracer->no_memory = true;
            return;
        }
        stack->entries = entries;
        stack->room = room;
    }
    Running running = {callable, is_counted(tracer, stack, callable), 0};
    const Running *caller = stack->depth && stack->entries[stack->depth - 1].counted ? &stack->entries[stack->depth - 1]
                                                                                     : &(Running){.callable = OUTSIDE};
    if (running.counted && tracer->by_path) {
        running.path = path_below(tracer, caller->path, callable);
        if (!running.path)
            tracer->no_memory = true;
        else if (starts)
            tracer->paths[running.path - 1].calls++;
    } else if (running.counted && starts && !count_edge(tracer, caller->callable, callable)) {
        tracer->no_memory = true;
    }
    stack->entries[stack->depth++] = running;
}

void leave(Tracer *tracer, uint32_t callable) {
    ShadowStack *stack = stack_of_thread(tracer);
    if (!stack || !stack->depth) return; /* it started before the phase */
    if (stack->entries[stack->depth - 1].callable == callable) {
        stack->depth--;
        return;
    }
    tracer->unbalanced++;
    for (size_t i = stack->depth - 1; i-- > 0;)
        if (stack->entries[i].callable == callable) {
            stack->depth = i;
            return;
        }
}

/* --- the type --- */

static PyObject *tracer_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"by_path", NULL};
    int by_path = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|$p:Tracer", names, &by_path)) return NULL;
    Tracer *tracer = (Tracer *)type->tp_alloc(type, 0);
    if (!tracer) return NULL;
    tracer->tool = -1;
    tracer->by_path = by_path;
    tracer->callables = PyList_New(0);
    tracer->kept = PyList_New(0);
    tracer->numbers = PyDict_New();
    if (!tracer->callables || !tracer->kept || !tracer->numbers) Py_CLEAR(tracer);
    return (PyObject *)tracer;
}

static int tracer_traverse(Tracer *tracer, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(tracer));
    Py_VISIT(tracer->callables);
    Py_VISIT(tracer->numbers);
    Py_VISIT(tracer->kept);
    Py_VISIT(tracer->body);
    Py_VISIT(tracer->monitoring);
    Py_VISIT(tracer->disable);
    return 0;
}

static int tracer_clear(Tracer *tracer) {
    /* Without the objects their addresses mean nothing. */
    table_free(&tracer->known);
    Py_CLEAR(tracer->callables);
    Py_CLEAR(tracer->numbers);
    Py_CLEAR(tracer->kept);
    Py_CLEAR(tracer->body);
    Py_CLEAR(tracer->monitoring);
    Py_CLEAR(tracer->disable);
    return 0;
}

static void tracer_dealloc(Tracer *tracer) {
    PyTypeObject *type = Py_TYPE(tracer);
    PyObject_GC_UnTrack(tracer);
    tracer_clear(tracer);
    drop_stacks(tracer);
    for (int phase = 0; phase < PHASES; phase++) table_free(&tracer->edges[phase]);
    table_free(&tracer->below);
    free(tracer->paths);
    type->tp_free(tracer);
    Py_DECREF(type);
}

static PyObject *tracer_start(Tracer *tracer, PyObject *Py_UNUSED(nothing)) {
    if (tracer->running) {
        PyErr_SetString(PyExc_RuntimeError, "the tracer is running");
        return NULL;
    }
    if (front_end_start(tracer) < 0) return NULL;
    tracer->running = true;
    Py_RETURN_NONE;
}

static PyObject *tracer_stop(Tracer *tracer, PyObject *Py_UNUSED(nothing)) {
    if (!tracer->running) Py_RETURN_NONE;
    tracer->running = false;
    drop_stacks(tracer);
    if (front_end_stop(tracer) < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *tracer_phase(Tracer *tracer, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"number", "counting", "body", NULL};
    int phase, counting = 1;
    PyObject *body = Py_None;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "i|p$O:phase", names, &phase, &counting, &body)) return NULL;
    if (phase < 0 || phase >= PHASES) {
        PyErr_Format(PyExc_ValueError, "phase %d is outside 0 … %d", phase, PHASES - 1);
        return NULL;
    }
    if (body != Py_None && !PyCode_Check(body)) {
        PyErr_Format(PyExc_TypeError, "body must be a code object or None, not %.100s", Py_TYPE(body)->tp_name);
        return NULL;
    }
    drop_stacks(tracer);
    tracer->phase = phase;
    tracer->counting = counting;
    Py_XSETREF(tracer->body, body == Py_None ? NULL : Py_NewRef(body));
    tracer->body_started = false;
    tracer->phase_thread = PyThreadState_GetID(PyThreadState_Get());
    if (tracer->running && front_end_phase(tracer) < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *tracer_read(Tracer *tracer, PyObject *Py_UNUSED(nothing)) {
    if (tracer->no_memory) return PyErr_NoMemory();
    PyObject *calls = PyList_New(0);
    for (int phase = 0; calls && phase < PHASES; phase++) {
        const Table *edges = &tracer->edges[phase];
        for (size_t i = 0; i < edges->capacity; i++) {
            uint64_t key = edges->entries[i].key;
            if (!key) continue;
            PyObject *call = Py_BuildValue("(LLiK)", (long long)(key >> 32) - 1, (long long)(key & UINT32_MAX) - 1,
                                           phase, (unsigned long long)edges->entries[i].value);
            if (!call || PyList_Append(calls, call) < 0) {
                Py_XDECREF(call);
                Py_DECREF(calls);
                return NULL;
            }
            Py_DECREF(call);
        }
    }
    PyObject *callables = calls ? PyList_GetSlice(tracer->callables, 0, PY_SSIZE_T_MAX) : NULL;
    if (!callables) {
        Py_XDECREF(calls);
        return NULL;
    }
    return Py_BuildValue("(NN)", callables, calls);
}

static PyObject *tracer_read_paths(Tracer *tracer, PyObject *Py_UNUSED(nothing)) {
    if (tracer->no_memory) return PyErr_NoMemory();
    size_t count = tracer->path_count; /* what is built here is not called, so there are no others meanwhile */
    PyObject *paths = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; paths && i < count; i++) {
        const Path *path = &tracer->paths[i];
        PyObject *entry = Py_BuildValue("(LLK)", (long long)path->above - 1, (long long)path->callable - 1,
                                        (unsigned long long)path->calls);
        if (!entry)
            Py_CLEAR(paths);
        else
            PyList_SET_ITEM(paths, (Py_ssize_t)i, entry);
    }
    PyObject *callables = paths ? PyList_GetSlice(tracer->callables, 0, PY_SSIZE_T_MAX) : NULL;
    if (!callables) {
        Py_XDECREF(paths);
        return NULL;
    }
    return Py_BuildValue("(NN)", callables, paths);
}

static PyObject *tracer_thread(Tracer *tracer, PyObject *const *arguments, Py_ssize_t count) {
    return front_end_thread(tracer, arguments, count);
}

static PyObject *get_intact(Tracer *tracer, void *Py_UNUSED(closure)) {
    int intact = front_end_intact(tracer);
    return intact < 0 ? NULL : PyBool_FromLong(intact);
}

static PyObject *get_unbalanced(Tracer *tracer, void *Py_UNUSED(closure)) {
    return PyLong_FromUnsignedLongLong(tracer->unbalanced);
}

static PyObject *get_installing(Tracer *tracer, void *Py_UNUSED(closure)) {
    return PyBool_FromLong(tracer->installer == PyThreadState_GetID(PyThreadState_Get()));
}

static PyMethodDef methods[] = {
    {"start", (PyCFunction)tracer_start, METH_NOARGS,
     PyDoc_STR("start()\n--\n\nBegin to trace this thread, other threads that exist, and on 3.12 and later new ones.")},
    {"stop", (PyCFunction)tracer_stop, METH_NOARGS, PyDoc_STR("stop()\n--\n\nEnd it; what was counted stays.")},
    {"phase", (PyCFunction)(void (*)(void))tracer_phase, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("phase(number, counting=True, *, body=None)\n--\n\n"
               "From now on count calls for this phase: all, or those below the code object body.")},
    {"read", (PyCFunction)tracer_read, METH_NOARGS,
     PyDoc_STR(
         "read()\n--\n\n(callables, [(caller, callee, phase, count)]): indexes of callables; caller -1 is outside.")},
    {"read_paths", (PyCFunction)tracer_read_paths, METH_NOARGS,
     PyDoc_STR("read_paths()\n--\n\n(callables, [(caller's path, callable, calls)]): indexes of paths, caller's -1 is "
               "outside, and of callables.")},
    {"thread", (PyCFunction)(void (*)(void))tracer_thread, METH_FASTCALL,
     PyDoc_STR(
         "thread(frame, event, argument, /)\n--\n\nA profile function that makes the thread one that is traced.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"intact", (getter)get_intact, NULL, PyDoc_STR("Whether this thread's events still arrive."), NULL},
    {"unbalanced", (getter)get_unbalanced, NULL, PyDoc_STR("Ends of calls that match no start."), NULL},
    {"installing", (getter)get_installing, NULL, PyDoc_STR("Whether this thread is changing the hooks just now."),
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, tracer_new},
    {Py_tp_dealloc, tracer_dealloc},
    {Py_tp_traverse, tracer_traverse},
    {Py_tp_clear, tracer_clear},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_doc, (void *)PyDoc_STR("Counts calls of Python and C functions, in all threads.")},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "pytest_flame._exact.Tracer",
    .basicsize = sizeof(Tracer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

static int execute(PyObject *module) {
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    if (!type) return -1;
    int result = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return result;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, execute},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};

static PyMethodDef functions[] = {
    {"announce_status", announce_status, METH_NOARGS,
     PyDoc_STR("announce_status()\n--\n\nFrom now on os.stat and its like raise the audit event pytest_flame.status.")},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pytest_flame._exact",
    .m_methods = functions,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__exact(void) { return PyModuleDef_Init(&definition); }
