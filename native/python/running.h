/* The interpreter that runs in this process. */
#ifndef FLAME_RUNNING_H
#define FLAME_RUNNING_H

#include <stdint.h>

/* The address of PyCode_Type. */
uintptr_t running_code_type(void);

#endif
