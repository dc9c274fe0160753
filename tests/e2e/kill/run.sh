#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs kill.c in a folder of its own and removes it: run.sh KILL TAEL ROUNDS [SEED]; the seed is the
# commit's when it is not given. What the server says is shown only when the test fails.
set -eu
commit=$(git -C "$(dirname "$0")" rev-parse --short=7 HEAD 2>/dev/null || echo 1)
seed=${4:-$(printf %d "0x$commit")}
folder=$(mktemp -d "${TMPDIR:-/tmp}/tael-kill.XXXXXX")
trap 'rm -rf "$folder"' EXIT
if ! "$1" "$2" "$folder/data" "$3" "$seed" 2>"$folder/trace"; then
    tail -n 40 "$folder/trace"
    exit 1
fi
"$2" verify "$folder/data" --replay
