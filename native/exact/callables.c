/* Numbers callables. C functions go by their text, `builtins.dict.get`: objects of one type share one. */
#include "exact/tracer.h"

static uint32_t register_callable(Tracer *tracer, PyObject *callable) {
    if (PyList_Append(tracer->callables, callable) < 0) {
        PyErr_Clear();
        tracer->no_memory = true;
        return OUTSIDE;
    }
    return (uint32_t)PyList_GET_SIZE(tracer->callables);
}

static void remember(Tracer *tracer, const void *address, uint32_t number, PyObject *keeps_it_alive) {
    uint64_t *value;
    if (number == OUTSIDE) return;
    if (keeps_it_alive && PyList_Append(tracer->kept, keeps_it_alive) < 0) {
        PyErr_Clear();
        return; /* named by its text again the next time */
    }
    value = table_value(&tracer->known, (uintptr_t)address);
    if (value) *value = number;
}

uint32_t number_of_code(Tracer *tracer, PyObject *code) {
    uint32_t number = (uint32_t)table_get(&tracer->known, (uintptr_t)code);
    if (number) return number;
    uint64_t *value = table_value(&tracer->known, (uintptr_t)code);
    if (!value) {
        tracer->no_memory = true;
        return OUTSIDE;
    }
    number = register_callable(tracer, code);
    *value = number;
    return number;
}

bool is_c_function(PyObject *callable) {
    return PyCFunction_Check(callable) || Py_IS_TYPE(callable, &PyMethodDescr_Type);
}

/* --- the text of a C function --- */

static PyObject *type_text(PyTypeObject *type, const char *attribute) {
    PyObject *name = PyUnicode_FromString(attribute);
    if (!name) return NULL;
    /* Not through the metaclass, which may be anybody's code. */
    PyObject *text = PyType_Type.tp_getattro((PyObject *)type, name);
    Py_DECREF(name);
    if (text && !PyUnicode_Check(text)) Py_CLEAR(text);
    if (!text) PyErr_Clear();
    return text ? text : PyUnicode_FromString("?");
}

/* Steals both. */
static uint32_t number_of_text(Tracer *tracer, PyObject *module, PyObject *qualname) {
    uint32_t number = OUTSIDE;
    PyObject *text = module && qualname ? PyTuple_Pack(2, module, qualname) : NULL;
    if (text) {
        PyObject *known = PyDict_GetItemWithError(tracer->numbers, text);
        if (known) {
            number = (uint32_t)PyLong_AsUnsignedLong(known);
        } else if (!PyErr_Occurred() && (number = register_callable(tracer, text)) != OUTSIDE) {
            PyObject *new = PyLong_FromUnsignedLong(number);
            if (!new || PyDict_SetItem(tracer->numbers, text, new) < 0) tracer->no_memory = true;
            Py_XDECREF(new);
        }
    }
    if (PyErr_Occurred()) {
        PyErr_Clear();
        tracer->no_memory = true;
    }
    Py_XDECREF(text);
    Py_XDECREF(module);
    Py_XDECREF(qualname);
    return number;
}

static uint32_t number_of_method(Tracer *tracer, PyTypeObject *type, const char *name) {
    PyObject *owner = type_text(type, "__qualname__");
    PyObject *qualname = owner ? PyUnicode_FromFormat("%U.%s", owner, name) : NULL;
    Py_XDECREF(owner);
    return number_of_text(tracer, type_text(type, "__module__"), qualname);
}

static PyObject *own_attribute(PyTypeObject *type, const char *name) {
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *members = PyType_GetDict(type);
#else
    PyObject *members = Py_XNewRef(type->tp_dict);
#endif
    PyObject *found = members ? Py_XNewRef(PyDict_GetItemString(members, name)) : NULL;
    Py_XDECREF(members);
    return found;
}

/* The descriptor a method was bound through: it names the class that has the method, whatever the object's class is. */
static PyObject *descriptor_of(PyTypeObject *type, const PyMethodDef *method) {
    PyObject *order = type->tp_mro;
    for (Py_ssize_t i = 0; order && i < PyTuple_GET_SIZE(order); i++) {
        PyObject *found = own_attribute((PyTypeObject *)PyTuple_GET_ITEM(order, i), method->ml_name);
        if (found && (Py_IS_TYPE(found, &PyMethodDescr_Type) || Py_IS_TYPE(found, &PyClassMethodDescr_Type)) &&
            ((PyMethodDescrObject *)found)->d_method == method)
            return found;
        Py_XDECREF(found);
    }
    return NULL;
}

static PyObject *module_text(PyCFunctionObject *function) {
    if (function->m_module && PyUnicode_Check(function->m_module)) return Py_NewRef(function->m_module);
    if (function->m_self && PyModule_Check(function->m_self)) {
        PyObject *name = PyModule_GetNameObject(function->m_self);
        if (name) return name;
        PyErr_Clear();
    }
    return PyUnicode_FromString("?");
}

static uint32_t number_of_builtin(Tracer *tracer, PyCFunctionObject *function) {
    const PyMethodDef *method = function->m_ml;
    PyObject *self = function->m_self;
    if (self && PyType_Check(self) && !(method->ml_flags & METH_CLASS)) { /* a static method, or a type's __new__ */
        PyTypeObject *type = (PyTypeObject *)self;
        uint32_t number = number_of_method(tracer, type, method->ml_name);
        /* All types share the definition of __new__. Types of a program come and go, and their addresses come again. */
        if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE))
            remember(tracer, strcmp(method->ml_name, "__new__") ? (const void *)method : type, number, NULL);
        return number;
    }
    if (self && !PyModule_Check(self)) {
        PyTypeObject *type = PyType_Check(self) ? (PyTypeObject *)self : Py_TYPE(self);
        PyObject *descriptor = descriptor_of(type, method);
        if (descriptor) {
            uint32_t number = number_of_method(tracer, PyDescr_TYPE(descriptor), method->ml_name);
            remember(tracer, method, number, descriptor);
            Py_DECREF(descriptor);
            return number;
        }
        /* Bound to something of its own, as Cython and pybind11 do. */
        return number_of_text(tracer, module_text(function), PyUnicode_FromString(method->ml_name));
    }
    uint32_t number = number_of_text(tracer, module_text(function), PyUnicode_FromString(method->ml_name));
    remember(tracer, method, number, (PyObject *)function);
    return number;
}

uint32_t number_of_c_function(Tracer *tracer, PyObject *callable) {
    if (PyCFunction_Check(callable)) {
        PyCFunctionObject *function = (PyCFunctionObject *)callable;
        uint32_t number = (uint32_t)table_get(&tracer->known, (uintptr_t)function->m_ml);
        if (number) return number;
        if (function->m_self && PyType_Check(function->m_self) && !strcmp(function->m_ml->ml_name, "__new__") &&
            (number = (uint32_t)table_get(&tracer->known, (uintptr_t)function->m_self)))
            return number;
        return number_of_builtin(tracer, function);
    }
    const PyMethodDef *method = ((PyMethodDescrObject *)callable)->d_method;
    uint32_t number = (uint32_t)table_get(&tracer->known, (uintptr_t)method);
    if (number) return number;
    number = number_of_method(tracer, PyDescr_TYPE(callable), method->ml_name);
    remember(tracer, method, number, callable);
    return number;
}
