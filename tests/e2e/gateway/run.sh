#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs outages.c in a folder of its own and removes it: run.sh OUTAGES GATEWAY TAEL ROUNDS [SEED].
# What the servers say is shown only when the test fails.
set -eu
folder=$(mktemp -d "${TMPDIR:-/tmp}/tael-gateway.XXXXXX")
trap 'rm -rf "$folder"' EXIT
if ! "$1" "$3" "$2" "$folder/data" "$4" ${5:+"$5"} 2>"$folder/trace"; then
    tail -n 40 "$folder/trace"
    exit 1
fi
"$3" verify "$folder/data"
"$3" verify --replay "$folder/data"
"$3" verify --replay "$folder/data.copy"
"$3" verify --replay "$folder/data.backup"
"$3" verify --replay "$folder/data.restored"
