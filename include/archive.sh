#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# archive.sh OBJECTS.a OUT.a: makes one object of many, in which hidden symbols are local, so that a
# program linked with it may have functions of the same names.
set -eu
ld -r --whole-archive "$1" -o "$2.o"
objcopy --localize-hidden "$2.o"
rm -f "$2"
ar rcs "$2" "$2.o"
rm -f "$2.o"
