# What every command of image/ shares; sourced, never run. The caller has set -euo pipefail.
# shellcheck shell=bash
IMAGE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
REPO=$(cd "$IMAGE/.." && pwd)
# Everything that is made goes here; WORK puts it elsewhere.
WORK=${WORK:-$IMAGE/out}
export IMAGE REPO WORK
export LC_ALL=C TZ=UTC

say() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# need COMMAND:PACKAGE ...: stops, naming the packages that are not there.
need() {
    local missing=() one
    for one in "$@"; do
        command -v "${one%%:*}" >/dev/null || missing+=("${one##*:}")
    done
    [ ${#missing[@]} -eq 0 ] || die "not installed: apt-get install ${missing[*]}"
}

# The target's names. Partition ids are fixed, so that two builds are the same.
target() {
    ARCH=$1
    case $ARCH in
        x86_64) DEBARCH=amd64 GRUBARCH=x86_64-efi EFINAME=BOOTX64.EFI RUST=x86_64-unknown-linux-gnu
            ROOTTYPE=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709 CONSOLE=ttyS0,115200 ;;
        aarch64) DEBARCH=arm64 GRUBARCH=arm64-efi EFINAME=BOOTAA64.EFI RUST=aarch64-unknown-linux-gnu
            ROOTTYPE=B921B045-1DF0-41C3-AF44-4C6F280D3FAE CONSOLE=ttyAMA0,115200 ;;
        *) die "no such target: $ARCH (x86_64 or aarch64)" ;;
    esac
    export ARCH DEBARCH GRUBARCH EFINAME RUST ROOTTYPE CONSOLE
}

SUITE=bookworm
# MiB. A slot holds the root image with room for twice its size; the data partition grows at the first boot.
ESP_MIB=64 SLOT_MIB=512 DATA_MIB=${DATA_MIB:-192}
DISK_ID=0CA1FA21-0000-4000-8000-000000000000
ESP_ID=0CA1FA21-0000-4000-8000-000000000001
# The kernel knows them in lower case.
ROOT_A_ID=0CA1FA21-0000-4000-8000-00000000000A
ROOT_B_ID=0CA1FA21-0000-4000-8000-00000000000B
DATA_ID=0CA1FA21-0000-4000-8000-00000000000D
export SUITE ESP_MIB SLOT_MIB DATA_MIB DISK_ID ESP_ID ROOT_A_ID ROOT_B_ID DATA_ID

# The day of the commit: the only time that a built image knows.
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    SOURCE_DATE_EPOCH=$(git -C "$REPO" log -1 --format=%ct 2>/dev/null || echo 1767225600)
fi
export SOURCE_DATE_EPOCH
