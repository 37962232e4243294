#!/usr/bin/env bash
# A signed bundle of the built image: image/bundle.sh x86_64 [OUT.raucb]
# IMG, VERSION and COMPATIBLE say otherwise what is in it. Signs with $KEYS/signer.pem and signer.key (image/out/keys: test keys). SIGN_CERT and SIGN_KEY name others; SIGN_KEY may be a
# pkcs11: address (docs/slots.md). Needs: apt-get install rauc squashfs-tools
set -euo pipefail
# shellcheck source=lib/common.sh
. "$(dirname "$0")/lib/common.sh"
target "${1:-}"
need rauc:rauc mksquashfs:squashfs-tools
out=$WORK/$ARCH
KEYS=${KEYS:-$WORK/keys}
img=${IMG:-$out/rootfs.img}
version=${VERSION:-$(cat "${img%.img}.version")}
bundle=${2:-$out/calvaria-$version-$ARCH.raucb}
[ -s "$img" ] || die "nothing built: image/build.sh $ARCH"

in=$out/bundle
rm -rf "$in" "$bundle"
mkdir -p "$in"
ln "$img" "$in/rootfs.img" 2>/dev/null || cp "$img" "$in/rootfs.img"
printf '%s\n' "$version" >"$in/VERSION"
cat >"$in/manifest.raucm" <<M
[update]
compatible=${COMPATIBLE:-calvaria-$ARCH}
version=$version
build=$(git -C "$REPO" rev-parse --short HEAD 2>/dev/null || echo unknown)

[bundle]
format=verity

[image.rootfs]
filename=rootfs.img
M
# What is packed is packed already.
nice -n 5 rauc bundle --cert="${SIGN_CERT:-$KEYS/signer.pem}" --key="${SIGN_KEY:-$KEYS/signer.key}" \
    --mksquashfs-args="-noI -noD -noF -no-progress -quiet" "$in" "$bundle" >/dev/null
rm -rf "$in"
say "bundle: $bundle ($(($(stat -c %s "$bundle") / 1048576)) MiB)"
