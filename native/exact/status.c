/* The functions of os are those of a table in the interpreter. Its entries are exchanged, so that every reference to
 * one, wherever a program keeps it, leads here, and no program sees a difference. For the whole process, for good. */
#include "exact/status.h"

#define FLAGS (METH_FASTCALL | METH_KEYWORDS)

typedef PyObject *(*Function)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

static PyObject *keyword(PyObject *const *arguments, Py_ssize_t positional, PyObject *names, const char *name) {
    for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); i++)
        if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, i), name) == 0) return arguments[positional + i];
    return NULL;
}

static PyObject *announced(Function original, const char *name, PyObject *module, PyObject *const *arguments,
                           Py_ssize_t positional, PyObject *names) {
    PyObject *path = positional > 0 ? arguments[0] : keyword(arguments, positional, names, "path");
    PyObject *folder = keyword(arguments, positional, names, "dir_fd");
    if (path && PySys_Audit("pytest_flame.status", "sOi", name, path, folder && folder != Py_None) < 0) return NULL;
    return original(module, arguments, positional, names);
}

#define WATCHED(X) X(stat) X(lstat) X(statx) X(access) X(readlink)

#define DEFINE(name)                                                                                                   \
    static Function original_##name;                                                                                   \
    static PyObject *announced_##name(PyObject *module, PyObject *const *arguments, Py_ssize_t positional,             \
                                      PyObject *names) {                                                               \
        return announced(original_##name, #name, module, arguments, positional, names);                                \
    }
WATCHED(DEFINE)

static int exchange(PyObject *posix, const char *name, Function *original, Function replacement) {
    PyObject *function = PyObject_GetAttrString(posix, name);
    if (!function) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return -1;
        PyErr_Clear(); /* this Python, or this system, has no such function */
        return 0;
    }
    int result = -1;
    if (!PyCFunction_CheckExact(function) || ((PyCFunctionObject *)function)->m_ml->ml_flags != FLAGS) {
        PyErr_Format(PyExc_RuntimeError, "os.%s is not the interpreter's own function", name);
    } else {
        PyMethodDef *method = ((PyCFunctionObject *)function)->m_ml;
        if (method->ml_meth != (PyCFunction)(void (*)(void))replacement) {
            *original = (Function)(void (*)(void))method->ml_meth;
            method->ml_meth = (PyCFunction)(void (*)(void))replacement;
        }
        result = 0;
    }
    Py_DECREF(function);
    return result;
}

PyObject *announce_status(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(nothing)) {
    PyObject *posix = PyImport_ImportModule("posix");
    if (!posix) return NULL;
    int result = 0;
#define EXCHANGE(name)                                                                                                 \
    if (result == 0) result = exchange(posix, #name, &original_##name, announced_##name);
    WATCHED(EXCHANGE)
    Py_DECREF(posix);
    if (result < 0) return NULL;
    Py_RETURN_NONE;
}
