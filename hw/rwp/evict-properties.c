/*
 * Properties of memory-backend-rwp that are about eviction
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-builtin-visit.h"
#include "qapi/visitor.h"
#include "hw/rwp/backend.h"
#include "hw/rwp/evict-properties.h"
#include "hw/rwp/host-pressure.h"

/* A property that is a whole number: of what, and where it is kept. */
typedef struct NumberProperty {
    const char *name;
    const char *unit;
    const char *description;
    uint64_t min;
    uint64_t max;
    uint64_t (*get)(const RwpEvictConfig *config);
    void (*set)(RwpEvictConfig *config, uint64_t value);
} NumberProperty;

/*
 * Numbers of bytes end here, for a visitor makes a huge number of a negative
 * one.
 */
#define SIZE_MAX_BYTES ((uint64_t)INT64_MAX)

/* A property that is a number of bytes; 0 means "no limit". */
typedef struct SizeProperty {
    const char *name;
    const char *description;
    size_t offset;      /* of an uint64_t in RwpEvictConfig */
} SizeProperty;

/* A property in percent, kept as a whole number of @parts of one percent. */
typedef struct PercentProperty {
    const char *name;
    const char *description;
    unsigned parts;
    size_t offset;      /* of an uint32_t in RwpEvictConfig */
} PercentProperty;

static uint64_t get_min_age(const RwpEvictConfig *config)
{
    return config->min_age_ms / 1000;
}

static void set_min_age(RwpEvictConfig *config, uint64_t value)
{
    config->min_age_ms = value * 1000;
}

static uint64_t get_window(const RwpEvictConfig *config)
{
    return config->window_s;
}

static void set_window(RwpEvictConfig *config, uint64_t value)
{
    config->window_s = value;
}

static uint64_t get_history(const RwpEvictConfig *config)
{
    return config->refault_history;
}

static void set_history(RwpEvictConfig *config, uint64_t value)
{
    config->refault_history = value;
}

static const NumberProperty numbers[] = {
    { "min-age", "seconds",
      "Do not evict memory that was accessed in the last so many seconds",
      0, UINT32_MAX, get_min_age, set_min_age },
    { "working-set-window", "seconds",
      "What refault-target is a share of: the memory accessed in the last so"
      " many seconds",
      1, RWP_WINDOW_MAX_S, get_window, set_window },
    { "refault-history", "minutes",
      "How many past minutes count for refault-target",
      1, RWP_POLICY_HISTORY, get_history, set_history },
};

static const SizeProperty sizes[] = {
    { "max-rate", "Evict at most so many bytes a second (0: no limit)",
      offsetof(RwpEvictConfig, max_rate) },
    { "min-resident", "Leave so many bytes in memory whatever happens",
      offsetof(RwpEvictConfig, min_resident) },
    { "target-resident",
      "Evict only while more than so many bytes are in memory (0: always)",
      offsetof(RwpEvictConfig, target_resident) },
    { "write-budget",
      "Have at most so many bytes a day written to swap (0: no limit)",
      offsetof(RwpEvictConfig, write_budget) },
};

static const PercentProperty percents[] = {
    { "refault-target",
      "Accesses to evicted memory that are all right, in percent of the"
      " working set a minute",
      10000, offsetof(RwpEvictConfig, refault_target) },
    { "host-pressure",
      "Evict only while tasks of the host stall for memory at least so many"
      " percent of the time (0: always)",
      100, offsetof(RwpEvictConfig, host_pressure) },
};

static void get_number(Object *obj, Visitor *v, const char *name, void *opaque,
                       Error **errp)
{
    const NumberProperty *property = opaque;
    RwpBackend *rwp = MEMORY_BACKEND_RWP(obj);
    uint64_t value = property->get(rwp_backend_evict_config(rwp));

    visit_type_uint64(v, name, &value, errp);
}

static void set_number(Object *obj, Visitor *v, const char *name, void *opaque,
                       Error **errp)
{
    const NumberProperty *property = opaque;
    RwpBackend *rwp = MEMORY_BACKEND_RWP(obj);
    RwpEvictConfig config = *rwp_backend_evict_config(rwp);
    uint64_t value;

    if (!visit_type_uint64(v, name, &value, errp)) {
        return;
    }
    /* The visitor makes a huge number of a negative one. */
    if (value < property->min || value > property->max) {
        error_setg(errp, "property '%s' of " TYPE_MEMORY_BACKEND_RWP
                   " doesn't take value '%" PRId64 "', it must be between %"
                   PRIu64 " and %" PRIu64 " %s", name, (int64_t)value,
                   property->min, property->max, property->unit);
        return;
    }
    property->set(&config, value);
    rwp_backend_set_evict_config(rwp, &config);
}

static void get_size(Object *obj, Visitor *v, const char *name, void *opaque,
                     Error **errp)
{
    const SizeProperty *property = opaque;
    RwpEvictConfig config =
        *rwp_backend_evict_config(MEMORY_BACKEND_RWP(obj));

    visit_type_size(v, name, (void *)&config + property->offset, errp);
}

static void set_size(Object *obj, Visitor *v, const char *name, void *opaque,
                     Error **errp)
{
    const SizeProperty *property = opaque;
    RwpBackend *rwp = MEMORY_BACKEND_RWP(obj);
    RwpEvictConfig config = *rwp_backend_evict_config(rwp);
    uint64_t *bytes = (void *)&config + property->offset;

    if (!visit_type_size(v, name, bytes, errp)) {
        return;
    }
    if (*bytes > SIZE_MAX_BYTES) {
        error_setg(errp, "property '%s' of " TYPE_MEMORY_BACKEND_RWP
                   " doesn't take value '%" PRId64 "', it must be between 0"
                   " and %" PRIu64 " bytes", name, (int64_t)*bytes,
                   SIZE_MAX_BYTES);
        return;
    }
    rwp_backend_set_evict_config(rwp, &config);
}

static void get_percent(Object *obj, Visitor *v, const char *name,
                        void *opaque, Error **errp)
{
    const PercentProperty *property = opaque;
    RwpEvictConfig config =
        *rwp_backend_evict_config(MEMORY_BACKEND_RWP(obj));
    uint32_t *parts = (void *)&config + property->offset;
    double percent = (double)*parts / property->parts;

    visit_type_number(v, name, &percent, errp);
}

static void set_percent(Object *obj, Visitor *v, const char *name,
                        void *opaque, Error **errp)
{
    const PercentProperty *property = opaque;
    RwpBackend *rwp = MEMORY_BACKEND_RWP(obj);
    RwpEvictConfig config = *rwp_backend_evict_config(rwp);
    uint32_t *parts = (void *)&config + property->offset;
    double percent;

    if (!visit_type_number(v, name, &percent, errp)) {
        return;
    }
    /* Written so that it is false for a NaN. */
    if (!(percent >= 0 && percent <= 100)) {
        error_setg(errp, "property '%s' of " TYPE_MEMORY_BACKEND_RWP
                   " doesn't take value '%g', it must be between 0 and 100"
                   " percent", name, percent);
        return;
    }
    *parts = percent * property->parts + 0.5;
    if (percent > 0 && !*parts) {
        error_setg(errp, "property '%s' of " TYPE_MEMORY_BACKEND_RWP
                   " doesn't take value '%g', it must be 0 or at least %g"
                   " percent", name, percent, 1.0 / property->parts);
        return;
    }
    if (parts == &config.host_pressure && *parts &&
        rwp_host_pressure(errp) < 0) {
        error_prepend(errp, "property '%s' of " TYPE_MEMORY_BACKEND_RWP
                      " cannot be used: ", name);
        return;
    }
    rwp_backend_set_evict_config(rwp, &config);
}

static int get_engine(Object *obj, Error **errp)
{
    return rwp_backend_eviction_engine(MEMORY_BACKEND_RWP(obj));
}

static void set_engine(Object *obj, int value, Error **errp)
{
    rwp_backend_set_eviction_engine(MEMORY_BACKEND_RWP(obj), value, errp);
}

void rwp_evict_properties_add(ObjectClass *oc)
{
    object_class_property_add_enum(oc, "evict", "EvictionEngine",
                                   &EvictionEngine_lookup, get_engine,
                                   set_engine);
    object_class_property_set_description(oc, "evict",
        "Give cold memory back to the host (pageout: to its swap; can be"
        " changed at any time)");
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        object_class_property_add(oc, numbers[i].name, "uint64", get_number,
                                  set_number, NULL, (void *)&numbers[i]);
        object_class_property_set_description(oc, numbers[i].name,
                                              numbers[i].description);
    }
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        object_class_property_add(oc, sizes[i].name, "size", get_size,
                                  set_size, NULL, (void *)&sizes[i]);
        object_class_property_set_description(oc, sizes[i].name,
                                              sizes[i].description);
    }
    for (size_t i = 0; i < ARRAY_SIZE(percents); i++) {
        object_class_property_add(oc, percents[i].name, "number", get_percent,
                                  set_percent, NULL, (void *)&percents[i]);
        object_class_property_set_description(oc, percents[i].name,
                                              percents[i].description);
    }
}
