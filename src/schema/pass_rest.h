// SPDX-License-Identifier: Apache-2.0
//
// The words of an include table that a pass has no use for: they vanish. A pass defines the words
// it wants, includes this, then the `.def`, then schema/pass_end.h. The words themselves are
// explained in schema/README.md.
#ifndef RECORD
#define RECORD(name_, number_, ...)
#endif
#ifndef FIELD
#define FIELD(type_, name_, ...)
#endif
#ifndef FIELD_ARRAY
#define FIELD_ARRAY(type_, name_, count_, ...)
#endif
#ifndef ARRAY
#define ARRAY(item_, name_, count_max_, ...)
#endif
#ifndef BLOB
#define BLOB(name_, size_max_, ...)
#endif
#ifndef END_RECORD
#define END_RECORD(name_, size_)
#endif
#ifndef FLAGS
#define FLAGS(name_, type_, ...)
#endif
#ifndef FLAG
#define FLAG(prefix_, name_, bit_, ...)
#endif
#ifndef END_FLAGS
#define END_FLAGS(name_)
#endif
#ifndef ENUMERATION
#define ENUMERATION(name_, type_, ...)
#endif
#ifndef VALUE
#define VALUE(prefix_, name_, number_, ...)
#endif
#ifndef END_ENUMERATION
#define END_ENUMERATION(name_)
#endif
#ifndef RESULTS
#define RESULTS(name_, ...)
#endif
#ifndef RESULT
#define RESULT(prefix_, name_, number_, http_status_, ...)
#endif
#ifndef END_RESULTS
#define END_RESULTS(name_)
#endif
#ifndef MACHINE
#define MACHINE(name_, states_, events_, ...)
#endif
#ifndef TRANSITION
#define TRANSITION(from_, event_, to_, ...)
#endif
#ifndef END_MACHINE
#define END_MACHINE(name_)
#endif
