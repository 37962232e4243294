# A guest under QEMU's software emulation, and how the tries talk to it. Sourced after lib/common.sh.
# shellcheck shell=bash
# Ports of the host; FIRST_PORT moves all of them.
PAGE=${FIRST_PORT:-18080}
SSH=$((PAGE + 1))
GUEST_MIB=${GUEST_MIB:-2048}
TRY=${TRY:-$WORK/try}
export PAGE SSH TRY
QEMU_PID=

# guest_tree: files of the data partition of a try: a key for ssh, made here.
guest_tree() {
    mkdir -p "$TRY/tree/ssh"
    [ -s "$TRY/key" ] || ssh-keygen -q -t ed25519 -N '' -C try -f "$TRY/key"
    cp "$TRY/key.pub" "$TRY/tree/ssh/authorized_keys"
    chmod 0700 "$TRY/tree/ssh"
    chmod 0600 "$TRY/tree/ssh/authorized_keys"
    chown -R root:root "$TRY/tree"
    export DATA_TREE=$TRY/tree
}

# guest_disk DISK: a fresh disk of the built image, with DATA_MIB of data and 1 GiB behind it that the first boot takes.
guest_disk() {
    [ -n "${KEEP_TREE:-}" ] || guest_tree
    "$IMAGE/steps/disk.sh" "$ARCH" "$1"
    truncate -s +1G "$1"
    guest_firmware
}

guest_firmware() {
    case $ARCH in
        x86_64) cp /usr/share/OVMF/OVMF_VARS_4M.fd "$TRY/vars.fd" ;;
        aarch64) cp /usr/share/AAVMF/AAVMF_VARS.fd "$TRY/vars.fd" ;;
    esac
}

# No watchdog here: a host that stands still for a minute would start the guest again.
# guest_start DRIVE-OPTIONS CONSOLE [more ...]: starts it in the background.
guest_start() {
    local drive=$1 console=$2
    shift 2
    case $ARCH in
        x86_64) set -- qemu-system-x86_64 -machine q35 -cpu max \
            -drive if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd "$@" ;;
        aarch64) set -- qemu-system-aarch64 -machine virt -cpu max,pauth-impdef=on \
            -drive if=pflash,format=raw,readonly=on,file=/usr/share/AAVMF/AAVMF_CODE.fd "$@" ;;
    esac
    # /dev/kvm may be there and fail: never asked.
    nice -n "${GUEST_NICE:-5}" "$@" -accel tcg,thread=multi -smp 2 -m "$GUEST_MIB" \
        -smbios "type=1,serial=TRY0042" \
        -drive if=pflash,format=raw,file="$TRY/vars.fd" \
        -drive "$drive" \
        -netdev "user,id=n,hostfwd=tcp:127.0.0.1:$PAGE-:443,hostfwd=tcp:127.0.0.1:$SSH-:22" \
        -device virtio-net-pci,netdev=n,romfile= -device virtio-rng-pci \
        -serial "file:$console" -display none -monitor none </dev/null >"$console.qemu" 2>&1 &
    QEMU_PID=$!
}

guest_kill() {
    rm -f "$TRY/ssh.ctl"
    [ -z "$QEMU_PID" ] || kill -9 "$QEMU_PID" 2>/dev/null || true
    wait "$QEMU_PID" 2>/dev/null || true
    QEMU_PID=
}

# until_s SECONDS COMMAND ...: tries it twice a second until it is true.
until_s() {
    local end=$((SECONDS + $1))
    shift
    while ! "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        [ -z "$QEMU_PID" ] || kill -0 "$QEMU_PID" 2>/dev/null || return 2
        sleep 0.5
    done
}

page_answers() { curl -fsk -m 20 "https://127.0.0.1:$PAGE/healthz"; }

# One connection for many commands: a new one takes seconds under emulation.
in_guest() {
    ssh -q -i "$TRY/key" -p "$SSH" -o ControlMaster=auto -o ControlPath="$TRY/ssh.ctl" -o ControlPersist=120 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=60 \
        -o ServerAliveInterval=15 root@127.0.0.1 "$@"
}
to_guest() {
    scp -q -i "$TRY/key" -P "$SSH" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -r "$1" "root@127.0.0.1:$2"
}
slot() { in_guest 'sed -n "s/.*rauc\.slot=\([AB]\).*/\1/p" /proc/cmdline'; }
version() { in_guest 'sed -n s/^IMAGE_VERSION=//p /etc/os-release'; }
confirmed() { [ "$(in_guest systemctl is-active calvaria-confirm.service)" = active ]; }
rested() {
    in_guest sync
    in_guest systemctl poweroff || true
    for _ in $(seq 240); do
        kill -0 "$QEMU_PID" 2>/dev/null || break
        sleep 0.5
    done
    guest_kill
}
