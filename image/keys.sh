#!/usr/bin/env bash
# Test keys, made here and never committed: a root, a signer, and a root that no image knows. Real keys: docs/slots.md.
set -euo pipefail
# shellcheck source=lib/common.sh
. "$(dirname "$0")/lib/common.sh"
need openssl:openssl
KEYS=${KEYS:-$WORK/keys}
[ ! -s "$KEYS/ca.pem" ] || { say "there already: $KEYS"; exit 0; }
mkdir -p "$KEYS"
chmod 0700 "$KEYS"
ca() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=calvaria $1, for tests only" \
        -keyout "$KEYS/$2.key" -out "$KEYS/$2.pem" 2>/dev/null
}
signer() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=calvaria $1, for tests only" \
        -keyout "$KEYS/$2.key" -out "$KEYS/$2.csr" 2>/dev/null
    openssl x509 -req -in "$KEYS/$2.csr" -CA "$KEYS/$3.pem" -CAkey "$KEYS/$3.key" -CAcreateserial -days 730 -out "$KEYS/$2.pem" \
        -extfile <(printf 'keyUsage=digitalSignature\nextendedKeyUsage=codeSigning,emailProtection\n') 2>/dev/null
    rm "$KEYS/$2.csr"
}
ca root ca
signer signer signer ca
ca "another root" other-ca
signer "another signer" other other-ca
: >"$KEYS/TEST"
say "test keys in $KEYS"
