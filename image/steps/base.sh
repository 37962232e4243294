#!/usr/bin/env bash
# Debian alone: mmdebstrap makes $WORK/$ARCH/base.tar out of include.list, then its packages are held against the list.
# MIRROR takes Debian from one place; without it mmdebstrap asks where this host's apt asks.
set -euo pipefail
# shellcheck source=../lib/common.sh
. "$(dirname "$0")/../lib/common.sh"
target "$1"
out=$WORK/$ARCH
mkdir -p "$out"
kernel=linux-image-$DEBARCH
names=$(sed -e 's/#.*//' -e "s/^KERNEL$/$kernel/" "$IMAGE/include.list" | xargs | tr ' ' ,)

# GRUB's modules of another architecture come with its tree; dress.sh takes them out again.
[ "$ARCH" = x86_64 ] || names+=,grub-efi-$DEBARCH-bin
if [ "$ARCH" != "$(uname -m)" ] && [ ! -e "/proc/sys/fs/binfmt_misc/qemu-$ARCH" ]; then
    die "programs of $ARCH do not run here: apt-get install qemu-user-static binfmt-support (or, as root in a container:
    mount -t binfmt_misc none /proc/sys/fs/binfmt_misc; cat /usr/lib/binfmt.d/qemu-$ARCH.conf >/proc/sys/fs/binfmt_misc/register)"
fi

mirrors=()
if [ -n "${MIRROR:-}" ]; then
    mirrors=("deb $MIRROR $SUITE main" "deb $MIRROR $SUITE-updates main")
    [ -z "${MIRROR_SECURITY:-}" ] || mirrors+=("deb $MIRROR_SECURITY $SUITE-security main")
fi

# The hash of each package, as the signed package lists give it.
cat >"$out/hashes.sh" <<'H'
#!/bin/sh
set -eu
chroot "$1" dpkg-query -W -f '${Package}:${Architecture}=${Version}\n' | sed 's/:all=/=/' >"$1/tmp/have"
chroot "$1" sh -c 'xargs apt-cache show </tmp/have' | awk '/^Package:/{p=$2} /^Version:/{v=$2} /^SHA256:/{print p, v, $2}' |
    sort -u >"$2"
rm "$1/tmp/have"
H
chmod +x "$out/hashes.sh"

# The kernel's package would make an initial ram disk that is made anew after our files are in.
export INITRD=No
say "mmdebstrap: $SUITE for $DEBARCH"
rm -f "$out/base.tar"
nice -n 5 mmdebstrap --quiet --mode=root --variant=minbase --architectures="$DEBARCH" --include="$names" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/lintian/*' \
    --skip=output/dev \
    --customize-hook="$out/hashes.sh \"\$1\" $out/packages.list" \
    "$SUITE" "$out/base.tar" "${mirrors[@]}"

committed=$IMAGE/packages.$ARCH.list
if [ "${REFRESH:-}" = 1 ]; then
    cp "$out/packages.list" "$committed"
    say "written: $committed ($(wc -l <"$committed") packages)"
elif ! diff -u "$committed" "$out/packages.list" >"$out/packages.diff"; then
    cat "$out/packages.diff" >&2
    rm -f "$out/base.tar"
    die "the mirror has other packages than packages.$ARCH.list: look at them, then build with REFRESH=1 and commit the list"
fi
