/*
 * Which pages of a guest are hot: the interface, and who implements it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/qapi-types-migration.h"
#include "exec/memory.h"
#include "exec/ramblock.h"
#include "qemu/module.h"
#include "migration/page-heat.h"
#include "options.h"

PageHeat *page_heat_of(RAMBlock *block)
{
    Object *owner = block->mr->owner;

    return (PageHeat *)object_dynamic_cast(owner, TYPE_PAGE_HEAT);
}

bool page_heat_known(RAMBlock *block, PageHeat **heat,
                     PageHeatHistory *history)
{
    if (!migrate_page_heat()) {
        return false;
    }
    *heat = page_heat_of(block);
    return *heat && PAGE_HEAT_GET_CLASS(*heat)->history(*heat, history);
}

static const TypeInfo page_heat_info = {
    .name = TYPE_PAGE_HEAT,
    .parent = TYPE_INTERFACE,
    .class_size = sizeof(PageHeatClass),
};

static void register_types(void)
{
    type_register_static(&page_heat_info);
}

type_init(register_types)
