#!/usr/bin/env bash
# The program, and its debug information apart: $WORK/$ARCH/calvaria and $WORK/$ARCH/debug/calvaria.BUILD-ID.debug.
set -euo pipefail
# shellcheck source=../lib/common.sh
. "$(dirname "$0")/../lib/common.sh"
target "$1"
out=$WORK/$ARCH
mkdir -p "$out/debug"
OBJCOPY=objcopy READELF=readelf
if [ "$ARCH" = aarch64 ]; then OBJCOPY=aarch64-linux-gnu-objcopy; fi
need "$OBJCOPY:binutils" "$READELF:binutils"
built=${BIN:-}
if [ -z "$built" ]; then
    # No path of this machine in the program; the same linker's id for the same code.
    export CARGO_INCREMENTAL=0
    export RUSTFLAGS="--remap-path-prefix=$REPO=/calvaria --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo -C link-arg=-Wl,--build-id=sha1"
    export CFLAGS="-ffile-prefix-map=$REPO=/calvaria -ffile-prefix-map=${CARGO_HOME:-$HOME/.cargo}=/cargo"
    if [ "$ARCH" = aarch64 ]; then
        need aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu
        export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
    fi
    (cd "$REPO" && CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 cargo build --locked --release --target "$RUST")
    built=${CARGO_TARGET_DIR:-$REPO/target}/$RUST/release/calvaria
fi
id=$($READELF -n "$built" | sed -n 's/.*Build ID: //p')
"$OBJCOPY" --only-keep-debug --compress-debug-sections "$built" "$out/debug/calvaria.${id:-unknown}.debug"
"$OBJCOPY" --strip-all "$built" "$out/calvaria"
say "program: $(($(stat -c %s "$out/calvaria") / 1048576)) MiB, debug information apart: debug/calvaria.${id:-unknown}.debug"
