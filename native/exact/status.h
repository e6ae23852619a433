/* Questions about files that raise no audit event: whether one exists, what it is, how large it is. */
#pragma once

#include <Python.h>

/* announce_status(): from now on os.stat, lstat, statx, access and readlink raise the audit event pytest_flame.status
 * with the function's name, the path, and whether it is relative to a folder that is given by descriptor. */
PyObject *announce_status(PyObject *module, PyObject *nothing);
