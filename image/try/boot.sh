#!/usr/bin/env bash
# The built image, from a fresh disk under UEFI to its page: image/try/boot.sh [x86_64 | aarch64]
# Says how long it took, what memory is in use, what listens, what failed. Needs: apt-get install qemu-system-x86 ovmf curl
# openssh-client (aarch64: qemu-system-arm qemu-efi-aarch64).
set -euo pipefail
# shellcheck source=../lib/common.sh
. "$(dirname "$0")/../lib/common.sh"
target "${1:-x86_64}"
# shellcheck source=lib.sh
. "$IMAGE/try/lib.sh"
trap guest_kill EXIT
disk=$TRY/boot-$ARCH.img
mkdir -p "$TRY"
guest_disk "$disk" 
begun=$SECONDS
guest_start "file=$disk,if=virtio,format=raw" "$TRY/boot.console"
until_s 900 page_answers || { tail -n 40 "$TRY/boot.console" >&2; die "no page"; }
say "page after $((SECONDS - begun)) s"
until_s 900 in_guest true || die "no ssh"
# The self-test takes a second on a box, and a quarter of an hour in an emulator that shares its host.
if until_s "${CONFIRM_S:-1500}" confirmed; then
    say "confirmed after $((SECONDS - begun)) s"
else
    say "NOT confirmed: $(in_guest journalctl -b -u calvaria-confirm -o cat --no-pager | tail -n 3)"
fi
sleep 20
in_guest 'echo "slot $(sed "s/.*rauc.slot=\(.\).*/\1/" /proc/cmdline)  $(hostname)  $(cat /etc/machine-id)"
    systemd-analyze | head -3; systemd-analyze blame | head -12
    pgrep -f "calvaria self-test" >/dev/null && echo "a self-test runs: memory is not at rest"
    free -m; systemctl --failed --no-legend; df -h /data; cat /proc/mounts | grep " / "
    for p in $(pgrep -x calvaria); do awk -v p=$p "/^Pss:/{s+=\$2} END {print \"calvaria\", p, int(s/1024), \"MiB\"}" /proc/$p/smaps_rollup; done
    systemd-analyze security --no-pager calvaria.service calvaria-printer.service 2>/dev/null | grep Overall
    ss -ltn; find / -xdev -perm -4000 -type f; rauc status; /usr/bin/grub-editenv /boot/efi/calvaria/grubenv list'
[ -n "${KEEP_RUNNING:-}" ] || rested
