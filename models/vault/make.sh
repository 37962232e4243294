#!/bin/bash
# Makes the prior of the vault, models/vault.safetensors, in one command: the shells of the training skulls, then their mean and variation.
#
#   models/vault/make.sh [SHELLS]         folder for the shells (default target/shells); those that are there stay
#
# CALVARIA names the binary (default target/release/calvaria), CALVARIA_SHARED the data (default ../shared),
# PYTHON an interpreter with numpy (default python3).
set -eu
cd "$(dirname "$0")/../.."
shells=${1:-target/shells}
bin=${CALVARIA:-target/release/calvaria}
mkdir -p "$shells"
for skull in "${CALVARIA_SHARED:-../shared}"/data/skullfix/train/*_complete.nii.gz; do
    out=$shells/$(basename "$skull" _complete.nii.gz).json
    [ -s "$out" ] || "$bin" shell "$skull" --out "$out"
done
"${PYTHON:-python3}" models/vault/make.py "$shells" --out models/vault.safetensors
