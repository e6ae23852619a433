/* Variables of a thread that a signal handler may be the first to touch. Those of a library that is loaded later are
 * allocated by glibc at the first access, which a handler must not do, unless they are initial-exec; musl allocates
 * them when it loads the library, and refuses to load one with initial-exec variables. */
#ifndef FLAME_THREAD_LOCAL_H
#define FLAME_THREAD_LOCAL_H

#include <features.h>

#ifdef __GLIBC__
#define HANDLER_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define HANDLER_LOCAL _Thread_local
#endif

#endif
