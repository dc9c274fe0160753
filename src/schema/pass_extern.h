// SPDX-License-Identifier: Apache-2.0
//
// The pass for a module's header: declares the descriptors that schema/make_descriptors.h defines,
// `<module>_schema_<name>` for every row and `<module>_schema` for the whole. SCHEMA_MODULE names
// the module. Include this, then the `.def`, then schema/pass_end.h.
#include "schema/schema.h"

extern const struct schema_module SCHEMA_PASTE(SCHEMA_MODULE, _schema);
// clang-format off
#define RECORD(name_, number_, ...) extern const struct schema_record SCHEMA_OBJECT(name_);
#define FLAGS(name_, type_, ...) extern const struct schema_flags SCHEMA_OBJECT(name_);
#define ENUMERATION(name_, type_, ...) extern const struct schema_enumeration SCHEMA_OBJECT(name_);
#define RESULTS(name_, ...) extern const struct schema_results SCHEMA_OBJECT(name_);
#define MACHINE(name_, states_, events_, ...) \
    extern const struct schema_machine SCHEMA_OBJECT(name_);
// clang-format on
#include "schema/pass_rest.h"
