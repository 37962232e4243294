#!/usr/bin/env bash
# KERNEL_ARGS adds words to the kernel command line, for tries.
# A disk: EFI partition with GRUB, slot A with the image, slot B empty, an empty data partition. No mount, no loop device.
set -euo pipefail
# shellcheck source=../lib/common.sh
. "$(dirname "$0")/../lib/common.sh"
target "$1"
out=$WORK/$ARCH
[ ! -d "$out/grub" ] || GRUBDIR=$out/grub
esp=$out/esp.img data=$out/data.img disk=${2:-$out/disk.img}

mkdir -p "$out/esp"
sed -e "s/@ROOT_A@/${ROOT_A_ID,,}/" -e "s/@ROOT_B@/${ROOT_B_ID,,}/" -e "s/@CONSOLE@/$CONSOLE${KERNEL_ARGS:+ $KERNEL_ARGS}/" "$IMAGE/grub/grub.cfg" >"$out/esp/grub.cfg"
touch -d "@$SOURCE_DATE_EPOCH" "$out/esp/grub.cfg"
modules="part_gpt fat squash4 gzio regexp loadenv echo test sleep reboot configfile linux all_video"
grub-mkstandalone -O "$GRUBARCH" ${GRUBDIR:+-d "$GRUBDIR"} --modules="$modules" --locales= --fonts= --themes= \
    -o "$out/esp/$EFINAME" "boot/grub/grub.cfg=$out/esp/grub.cfg"
rm -f "$out"/esp/*.env "$out"/esp/grubenv*
grub-editenv "$out/esp/grubenv" create
grub-editenv "$out/esp/grubenv" set ORDER="A B" A_OK=1 A_TRY=0 B_OK=0 B_TRY=0
cp "$out/esp/grubenv" "$out/esp/grubenv.bak"
grub-editenv "$out/esp/machine.env" create
find "$out/esp" -type f -exec touch -d "@$SOURCE_DATE_EPOCH" {} +

rm -f "$esp"
truncate -s "${ESP_MIB}M" "$esp"
mkfs.vfat --invariant -F 32 -n CALVARIA -i 0CA1FA21 "$esp" >/dev/null
export MTOOLS_SKIP_CHECK=1
mmd -i "$esp" ::EFI ::EFI/BOOT ::calvaria
mcopy -m -i "$esp" "$out/esp/$EFINAME" ::EFI/BOOT/
mcopy -m -i "$esp" "$out/esp/grubenv" "$out/esp/grubenv.bak" "$out/esp/machine.env" ::calvaria/

# ext4 is not the same twice; it is empty, and no part of what is signed. DATA_TREE puts files in, for tests.
rm -f "$data"
truncate -s "${DATA_MIB}M" "$data"
mkfs.ext4 -q -L data -U "$DATA_ID" -m 1 -E "resize=$((64 * 1024 * 1024 * 1024 / 4096)),root_owner=0:0" -b 4096 \
    ${DATA_TREE:+-d "$DATA_TREE"} "$data"

MIB=2048
a=$((1 * MIB)) b=$((a + ESP_MIB * MIB)) c=$((b + SLOT_MIB * MIB)) d=$((c + SLOT_MIB * MIB)) e=$((d + DATA_MIB * MIB))
rm -f "$disk"
truncate -s $((e * 512 + 1048576)) "$disk"
sgdisk -Z "$disk" >/dev/null 2>&1 || true
sgdisk -a 1 -U "$DISK_ID" \
    -n 1:$a:$((b - 1)) -t 1:ef00 -c 1:esp -u "1:$ESP_ID" \
    -n 2:$b:$((c - 1)) -t "2:$ROOTTYPE" -c 2:rootA -u "2:$ROOT_A_ID" \
    -n 3:$c:$((d - 1)) -t "3:$ROOTTYPE" -c 3:rootB -u "3:$ROOT_B_ID" \
    -n 4:$d:$((e - 1)) -t 4:8300 -c 4:data -u "4:$DATA_ID" "$disk" >/dev/null
put() { dd if="$1" of="$disk" bs=1M seek=$(($2 / MIB)) conv=notrunc,sparse status=none; }
put "$esp" $a
put "$out/rootfs.img" $b
put "$data" $d
rm -f "$esp" "$data"
say "disk: $disk ($(($(stat -c %s "$disk") / 1048576)) MiB)"
