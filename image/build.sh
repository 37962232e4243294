#!/usr/bin/env bash
# Builds the image: image/build.sh x86_64 | aarch64
# Needs root, and: apt-get install mmdebstrap squashfs-tools gdisk dosfstools mtools e2fsprogs grub-common grub-efi-amd64-bin \
#   rauc openssl python3 kmod; for aarch64 also qemu-user-static gcc-aarch64-linux-gnu
# BIN=PATH takes a given program instead of `cargo build --release`; VERSION=X.Y.Z names the image (Cargo.toml's without);
# BASE=keep takes the Debian tree of the last build; REFRESH=1 writes the list of packages anew; MIRROR=URL takes Debian there.
set -euo pipefail
# shellcheck source=lib/common.sh
. "$(dirname "$0")/lib/common.sh"
target "${1:-}"
[ "$(id -u)" -eq 0 ] || die "run it as root"
need mmdebstrap:mmdebstrap mksquashfs:squashfs-tools sgdisk:gdisk mkfs.vfat:dosfstools mcopy:mtools mkfs.ext4:e2fsprogs \
    grub-mkstandalone:grub-common openssl:openssl python3:python3 depmod:kmod
out=$WORK/$ARCH
mkdir -p "$out"
"$IMAGE/steps/binary.sh" "$ARCH"
if [ "${BASE:-}" != keep ] || [ ! -s "$out/base.tar" ]; then "$IMAGE/steps/base.sh" "$ARCH"; fi
"$IMAGE/keys.sh"
"$IMAGE/steps/dress.sh" "$ARCH"
"$IMAGE/steps/disk.sh" "$ARCH"
