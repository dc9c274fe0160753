#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs client.c in a folder of its own and removes it: run.sh CLIENT TAEL ROUNDS [SEED]. What the
# server says is shown only when the test fails.
set -eu
folder=$(mktemp -d "${TMPDIR:-/tmp}/tael-client.XXXXXX")
trap 'rm -rf "$folder"' EXIT
if ! "$1" "$2" "$folder/data" "$3" ${4:+"$4"} 2>"$folder/trace"; then
    tail -n 40 "$folder/trace"
    exit 1
fi
"$2" verify "$folder/data"
"$2" verify --replay "$folder/data"
