#!/usr/bin/env bash
# How much longer than a bare Debian does the image take? image/try/bare.sh [ROUNDS]
# The same suite, kernel and packages' mirror; a bare Debian with sshd on ext4, its initial ram disk as Debian makes it; both started in
# turn on this machine, from the firmware to sshd's greeting and to our page. Says each time and the ratio of the medians.
set -euo pipefail
# shellcheck source=../lib/common.sh
. "$(dirname "$0")/../lib/common.sh"
target x86_64
# shellcheck source=lib.sh
. "$IMAGE/try/lib.sh"
need mmdebstrap:mmdebstrap qemu-system-x86_64:qemu-system-x86
rounds=${1:-3}
trap guest_kill EXIT
mkdir -p "$TRY"
bare=$TRY/bare.img
if [ ! -s "$bare" ]; then
    rm -rf "$TRY/bare"
    nice -n 5 mmdebstrap --quiet --mode=root --variant=minbase --aptopt='APT::Install-Recommends "false"' \
        --include=linux-image-amd64,systemd-sysv,udev,dbus,initramfs-tools,openssh-server \
        --customize-hook='printf "[Match]\nType=ether\n[Network]\nDHCP=yes\n" >"$1/etc/systemd/network/80-dhcp.network"' \
        --customize-hook='chroot "$1" systemctl -q enable systemd-networkd ssh' \
        --customize-hook='printf "PARTLABEL=root / ext4 defaults 0 1\n" >"$1/etc/fstab"' \
        "$SUITE" "$TRY/bare.tar" ${MIRROR:+"deb $MIRROR $SUITE main"}
    mkdir -p "$TRY/bare"
    tar -C "$TRY/bare" --numeric-owner -xpf "$TRY/bare.tar"
    rm "$TRY/bare.tar"
    cat >"$TRY/bare.cfg" <<'G'
regexp --set=1:disk '^\(([^,)]+)' "$cmdpath"
linux ($disk,gpt2)/vmlinuz root=PARTLABEL=root ro quiet console=tty0 console=ttyS0,115200
initrd ($disk,gpt2)/initrd.img
boot
G
    grub-mkstandalone -O x86_64-efi --modules="part_gpt fat ext2 regexp linux all_video" --locales= --fonts= --themes= \
        -o "$TRY/bare.efi" "boot/grub/grub.cfg=$TRY/bare.cfg"
    rm -f "$TRY/bare.esp" "$TRY/bare.root"
    truncate -s 64M "$TRY/bare.esp"
    mkfs.vfat -F 32 "$TRY/bare.esp" >/dev/null
    mmd -i "$TRY/bare.esp" ::EFI ::EFI/BOOT
    mcopy -i "$TRY/bare.esp" "$TRY/bare.efi" ::EFI/BOOT/BOOTX64.EFI
    truncate -s 1500M "$TRY/bare.root"
    mkfs.ext4 -q -L root -d "$TRY/bare" "$TRY/bare.root"
    truncate -s 1600M "$bare"
    sgdisk -n 1:2048:+64M -t 1:ef00 -n 2:0:+1500M -t 2:8300 -c 2:root "$bare" >/dev/null
    dd if="$TRY/bare.esp" of="$bare" bs=1M seek=1 conv=notrunc status=none
    dd if="$TRY/bare.root" of="$bare" bs=1M seek=65 conv=notrunc,sparse status=none
    rm -rf "$TRY"/bare "$TRY"/bare.{esp,root,efi,cfg}
fi
greets() { timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$SSH; head -c 4 <&3" | grep -q SSH-; }
guest_disk "$TRY/ours.img"
ours=() bares=()
# The first start of ours grows a partition and makes a store: timed apart.
for round in $(seq 0 "$rounds"); do
    guest_firmware
    begun=$(date +%s%N)
    guest_start "file=$TRY/ours.img,if=virtio,format=raw" "$TRY/ours.console"
    until_s 1800 page_answers || die "no page"
    took=$((($(date +%s%N) - begun) / 1000000))
    until_s 1800 in_guest sync
    guest_kill
    if [ "$round" = 0 ]; then say "first start of ours: $took ms"; continue; fi
    ours+=("$took")
    guest_firmware
    begun=$(date +%s%N)
    guest_start "file=$bare,if=virtio,format=raw,snapshot=on" "$TRY/bare.console"
    until_s 1800 greets || die "no greeting"
    bares+=($((($(date +%s%N) - begun) / 1000000)))
    guest_kill
    say "round $round: ours ${ours[-1]} ms, bare ${bares[-1]} ms"
done
median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }
o=$(median "${ours[@]}") b=$(median "${bares[@]}")
say "medians: ours $o ms, bare $b ms, ratio $((o * 100 / b)) %"
