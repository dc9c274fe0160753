// SPDX-License-Identifier: Apache-2.0
//
// Ends a pass over an include table: forgets the words of the table.
#undef RECORD
#undef FIELD
#undef FIELD_ARRAY
#undef ARRAY
#undef BLOB
#undef END_RECORD
#undef FLAGS
#undef FLAG
#undef END_FLAGS
#undef ENUMERATION
#undef VALUE
#undef END_ENUMERATION
#undef RESULTS
#undef RESULT
#undef END_RESULTS
#undef MACHINE
#undef TRANSITION
#undef END_MACHINE
