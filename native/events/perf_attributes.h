/* struct perf_event_attr of Linux 5.13, as far as the sampler fills it: the images in which wheels are built have older
 * headers, without sigtrap and sig_data (linux/perf_event.h; an older kernel refuses them when the event is opened). */
#ifndef FLAME_PERF_ATTRIBUTES_H
#define FLAME_PERF_ATTRIBUTES_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t type, size;
    uint64_t config, sample_period, sample_type, read_format;
    uint64_t disabled : 1, inherit : 1, pinned : 1, : 2, exclude_kernel : 1, exclude_hv : 1, : 8, precise_ip : 2, : 5,
        exclude_callchain_user : 1, : 12, inherit_thread : 1, remove_on_exec : 1, sigtrap : 1, : 26;
    uint64_t unused[9];
    uint64_t sig_data;
} perf_attributes;

_Static_assert(sizeof(perf_attributes) == 128 && offsetof(perf_attributes, sig_data) == 120, "PERF_ATTR_SIZE_VER7");

#endif
