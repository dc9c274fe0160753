#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# run.sh PROGRAM ARGUMENT...: runs worlds from the seed SEED on; from the commit's when it is not
# given, so that they change from commit to commit. A failure tells its seed.
set -eu
commit=$(git -C "$(dirname "$0")" rev-parse --short=7 HEAD 2>/dev/null || echo 1)
program=$1
shift
exec "$program" --seed "${SEED:-$(printf %d "0x$commit")}" "$@"
