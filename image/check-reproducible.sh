#!/usr/bin/env bash
# Is the root image the same when it is built twice? image/check-reproducible.sh x86_64 [DIR]
# Both times from nothing, in different folders (below DIR, image/out without), with the same program and keyring. Exits 0 when the
# hashes agree; else names what differs. The program is BIN, or what cargo
# has; PROGRAM=anew lets cargo build it in each folder.
set -euo pipefail
# shellcheck source=lib/common.sh
. "$(dirname "$0")/lib/common.sh"
target "${1:-}"
at=${2:-$WORK}
KEYS=${KEYS:-$WORK/keys}
export KEYS
"$IMAGE/keys.sh"
hashes=()
for turn in first a-second-folder; do
    dir=$at/$turn
    rm -rf "$dir"
    mkdir -p "$dir"
    export WORK=$dir
    if [ -z "${BIN:-}" ] && [ "${PROGRAM:-}" = anew ]; then export CARGO_TARGET_DIR=$dir/target; fi
    "$IMAGE/steps/binary.sh" "$ARCH"
    "$IMAGE/steps/base.sh" "$ARCH"
    "$IMAGE/steps/dress.sh" "$ARCH"
    hashes+=("$(cat "$dir/$ARCH/rootfs.sha256")")
    mv "$dir/$ARCH/rootfs.img" "$at/$turn.img"
    if [ "$turn" = first ]; then mv "$dir/$ARCH/root" "$at/first.root"; fi
    rm -f "$dir/$ARCH/base.tar"
done
if [ "${hashes[0]}" = "${hashes[1]}" ]; then
    say "the same twice: ${hashes[0]}"
    rm -rf "$at"/first "$at"/a-second-folder "$at"/first.root "$at"/{first,a-second-folder}.img
    exit 0
fi
say "NOT the same: ${hashes[*]}"
diff -rq --no-dereference "$at/first.root" "$at/a-second-folder/$ARCH/root" >&2 || true
exit 1
