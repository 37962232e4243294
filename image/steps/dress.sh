#!/usr/bin/env bash
# Debian's tree becomes ours: files of rootfs/, binary, models, profiles, units; modules by list; an initial ram disk; no apt.
# Then $WORK/$ARCH/rootfs.img (IMG names another), a squashfs. In: base.tar, calvaria (stripped). VERSION names the image.
set -euo pipefail
# shellcheck source=../lib/common.sh
. "$(dirname "$0")/../lib/common.sh"
target "$1"
out=$WORK/$ARCH
root=$out/root
VERSION=${VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' "$REPO/Cargo.toml" | head -1)}
KEYS=${KEYS:-$WORK/keys}
[ -s "$KEYS/ca.pem" ] || die "no keyring: $KEYS/ca.pem (image/keys.sh makes test keys)"

rm -rf "$root"
mkdir -p "$root"
tar -C "$root" --numeric-owner -xpf "$out/base.tar"

if [ -d "$root/usr/lib/grub/$GRUBARCH" ]; then
    rm -rf "$out/grub"
    mv "$root/usr/lib/grub/$GRUBARCH" "$out/grub"
fi

# Programs that run in the tree want these; the image's own come from devtmpfs.
mkdir -p "$root/dev"
mknod -m 0666 "$root/dev/null" c 1 3
mknod -m 0666 "$root/dev/urandom" c 1 9

# Fixed numbers: files on the data partition belong to them in every version.
in_root() { chroot "$root" "$@"; }
in_root groupadd --system --gid 900 calvaria
in_root useradd --system --uid 900 --gid 900 --home-dir /data/calvaria --no-create-home --shell /usr/sbin/nologin calvaria

cp -a "$IMAGE/rootfs/." "$root/"
chown -R root:root "$root/etc" "$root/usr/lib/calvaria" "$root/usr/lib/repart.d" "$root/usr/lib/tmpfiles.d"
sed -i "s/@ARCH@/$ARCH/" "$root/etc/rauc/system.conf"
install -m 0644 "$KEYS/ca.pem" "$root/etc/rauc/keyring.pem"
install -m 0755 "$out/calvaria" "$root/usr/bin/calvaria"
share=$root/usr/share/calvaria
mkdir -p "$share/models" "$root/data" "$root/boot/efi" "$root/etc/calvaria"
install -m 0644 "$REPO"/models/*.toml "$REPO"/models/*.safetensors "$REPO"/models/*.safetensors.gz "$share/models/"
cp -r "$REPO/printer-profiles" "$share/"
chmod -R u=rwX,go=rX "$share/printer-profiles"
install -m 0644 "$IMAGE/image.toml" "$share/image.toml"
install -m 0644 "$REPO/LICENSE-MIT" "$REPO/LICENSE-APACHE" "$share/"
for unit in "$REPO"/systemd/*.service "$REPO"/systemd/*.path; do
    [ ! -e "$unit" ] || install -m 0644 "$unit" "$root/etc/systemd/system/"
done
install -m 0644 "$REPO"/systemd/*.rules "$root/etc/udev/rules.d/"
printf 'IMAGE_ID=calvaria\nIMAGE_VERSION=%s\n' "$VERSION" >>"$root/usr/lib/os-release"
if [ -e "$KEYS/TEST" ]; then echo "VARIANT=\"signed with test keys\"" >>"$root/usr/lib/os-release"; fi
# For tries: LEAVE_BROKEN=1 leaves the weights out, so that the self-test fails; OVERLAY=DIR lays files over the tree.
if [ "${LEAVE_BROKEN:-}" = 1 ]; then rm "$share"/models/v3.safetensors; fi
if [ -n "${OVERLAY:-}" ]; then
    cp -r "$OVERLAY/." "$root/"
    printf 'OVERLAY="for a try"\n' >>"$root/usr/lib/os-release"
fi

# Units by hand: systemctl would ask a running one.
enable() {
    local unit=$1 wants=$2
    mkdir -p "$root/etc/systemd/system/$wants.wants"
    ln -sf "/etc/systemd/system/$unit" "$root/etc/systemd/system/$wants.wants/$unit"
}
enable calvaria.service multi-user.target
enable calvaria-printer.service multi-user.target
# Started only where [node] listen says so.
enable calvaria-node.service multi-user.target
[ ! -e "$REPO/systemd/calvaria-update.path" ] || enable calvaria-update.path multi-user.target
enable calvaria-confirm.service multi-user.target
enable calvaria-machine-id.service multi-user.target
enable calvaria-console.service multi-user.target
enable calvaria-prepare.service local-fs.target
in_root systemctl -q enable systemd-networkd.service systemd-timesyncd.service ssh.service
in_root systemctl -q set-default multi-user.target
for unit in getty.target getty@tty1.service serial-getty@.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-networkd-wait-online.service systemd-machine-id-commit.service \
    systemd-firstboot.service grub-common.service grub-initrd-fallback.service ldconfig.service systemd-update-done.service \
    systemd-journal-catalog-update.service systemd-hwdb-update.service systemd-sysusers.service systemd-update-utmp-runlevel.service systemd-logind.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

# Nobody logs in; without its other name no program waits for it either.
rm -f "$root"/usr/lib/systemd/system/dbus-org.freedesktop.login1.service

# Modules: those of modules.list with what they ask for.
kernel=$(basename "$root"/lib/modules/*)
modules=$root/lib/modules/$kernel
# shellcheck disable=SC2046
python3 "$IMAGE/lib/trim-modules.py" "$modules" $(sed 's/#.*//' "$IMAGE/modules.list") >&2
depmod -b "$root" "$kernel"

# The initial ram disk: listed modules, nothing of this host.
conf=$root/etc/initramfs-tools
sed -i -e 's/^MODULES=.*/MODULES=list/' -e 's/^COMPRESS=.*/COMPRESS=zstd/' -e 's/^BUSYBOX=.*/BUSYBOX=y/' "$conf/initramfs.conf"
sed 's/#.*//' "$IMAGE/initrd.list" | xargs -n1 | sed "s/-/_/g" >"$conf/modules"
printf 'RESUME=none\n' >"$conf/conf.d/resume"
mkdir -p "$root/boot"
rm -f "$root"/boot/initrd* "$root"/boot/System.map* "$root"/vmlinuz* "$root"/initrd.img*
in_root mkinitramfs -o /boot/initrd.img "$kernel"
mv "$root/boot/vmlinuz-$kernel" "$root/boot/vmlinuz"
rm -f "$root"/boot/config-*

# What only builds, or writes what is read-only now.
dpkg_root=(dpkg --root="$root" --force-depends --force-remove-essential --force-remove-reinstreq)
"${dpkg_root[@]}" --purge apt libapt-pkg6.0 debian-archive-keyring initramfs-tools initramfs-tools-core linux-base perl perl-modules-5.36 \
    libperl5.36 libgdbm6 libgdbm-compat4 "grub-efi-$DEBARCH-bin" >&2 2>/dev/null || true
rm -rf "$root"/var/lib/apt "$root"/var/cache/* "$root"/var/log/* "$root"/etc/apt "$root"/usr/share/{man,info,locale,lintian,bug}
rm -f "$root"/etc/ssh/ssh_host_* "$root"/var/lib/systemd/random-seed "$root"/etc/{passwd,shadow,group,gshadow,subuid,subgid}- \
    "$root"/var/lib/dbus/machine-id "$root"/etc/hostname "$root"/etc/resolv.conf
# The list of packages stays readable: /var is another file system.
mkdir -p "$root/usr/lib/sysimage"
mv "$root/var/lib/dpkg" "$root/usr/lib/sysimage/dpkg"
rm -rf "$root"/usr/lib/sysimage/dpkg/*-old "$root"/usr/lib/sysimage/dpkg/lock*
python3 "$IMAGE/lib/sbom.py" "$root" "$out/packages.list" "$RUST" "$VERSION" "$out" >&2
install -m 0644 "$out/sbom.cdx.json" "$out/NOTICES.txt" "$share/"
rm -rf "${root:?}"/var "$root"/tmp "$root"/run "${root:?}"/dev/*
mkdir -m 0755 "$root/var" "$root/run" "$root/var/tmp"
mkdir -m 1777 "$root/tmp"
: >"$root/etc/machine-id"
# The earliest time that a box without a clock takes for now.
: >"$root/usr/lib/clock-epoch"
touch -d "@$SOURCE_DATE_EPOCH" "$root/usr/lib/clock-epoch"
ln -s /data/config/resolv.conf "$root/etc/resolv.conf"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
# The day of a password's change is the day of the build; nobody has one.
sed -i -E 's/^([^:]*):[^:]*:[^:]*:/\1:*:19000:/' "$root/etc/shadow"
find "$root" -name '*.pyc' -delete
# Nobody becomes somebody else here; the hardware list is read compiled.
find "$root" -xdev -perm -4000 -type f -exec chmod u-s {} +
rm -rf "$root/usr/lib/udev/hwdb.d"
find "$root" -xdev -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

say "squashfs"
img=${IMG:-$out/rootfs.img}
rm -f "$img"
# gzip, and kernel and ram disk as they are: GRUB reads them.
nice -n 5 mksquashfs "$root" "$img" -comp gzip -Xcompression-level 9 -b 256K -noappend -no-xattrs -no-progress \
    -action 'uncompressed@pathname(boot/vmlinuz)' -action 'uncompressed@pathname(boot/initrd.img)' >/dev/null
sha256sum "$img" | cut -d' ' -f1 >"${img%.img}.sha256"
printf '%s\n' "$VERSION" >"${img%.img}.version"
say "$(basename "$img"): $(($(stat -c %s "$img") / 1048576)) MiB, version $VERSION, $(cat "${img%.img}.sha256")"
[ "$(stat -c %s "$img")" -le $((SLOT_MIB * 1048576)) ] || die "the image does not fit a slot of $SLOT_MIB MiB"
