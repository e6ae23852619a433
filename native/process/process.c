/* What the other files need from the process and its clocks. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "process/process.h"

uint64_t clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int each_thread(int (*visit)(flame_sampler *, pid_t), flame_sampler *s) {
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) return -errno;
    int result = 0;
    for (struct dirent *entry; !result && (entry = readdir(tasks));)
        if (entry->d_name[0] != '.') result = visit(s, (pid_t)atoi(entry->d_name));
    closedir(tasks);
    return result;
}

pid_t tracer_pid(void) {
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    text[length > 0 ? length : 0] = 0;
    const char *line = strstr(text, "TracerPid:");
    return line ? (pid_t)atoi(line + strlen("TracerPid:")) : 0;
}

void own_descriptors(void) {
    /* Linux 5.9, on all machines; the headers may be older. */
    enum { CLOSE_RANGE = 436, UNSHARE = 2 };
    syscall(CLOSE_RANGE, 0u, ~0u, UNSHARE);
}
