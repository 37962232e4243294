#!/usr/bin/env bash
# Full-size weights (1 mm, 240 x 200 x 240) on a GPU, one slice of the schedule a call, for machines that are lent by the minute.
#
#   STATE=folder OUT=folder MINUTES=24 SLICE=8 models/train/full_size.sh
#
# STATE holds pack_train.npz and pack_val.npz (pack.py; warps.npz too, where there is one) and keeps everything between
# calls; the first call prepares fields and the val set, every call goes on from last.pt, and OUT gets the best weights so
# far as f16 in two halves, the card, curve and logs. Start: the committed weights, whatever their voxel size.
set -euo pipefail
cd "$(dirname "$0")"
state=${STATE:?folder with pack_train.npz and pack_val.npz} out=${OUT:?folder for the results}
minutes=${MINUTES:-24} slice=${SLICE:-8} device=${DEVICE:-cuda} voxel=${VOXEL:-1}
export PYTHONDONTWRITEBYTECODE=1

[ -e "$state/val.pt" ] || python validate.py --voxel "$voxel" --pack "$state/pack_val.npz" --out "$state/val.pt"
python train.py --state "$state" --start ../v3.safetensors --voxel "$voxel" --device "$device" --batch "${BATCH:-2}" --echo 0 \
  --rate "${RATE:-1.5e-3}" --bce 10 --boundary 0.3 --average 0.998 --check-minutes 4 --minutes "$minutes" --slice "$slice" ${MORE:-} | tee -a "$state/train.log"
cp "$state"/{train.log,val.tsv,curve.png} "$out" 2>/dev/null || true
if [ -e "$state/best.pt" ]; then
  mkdir -p "$state/export"
  python export.py --state "$state" --out "$state/export" --hardware "${HARDWARE:-one GPU}" --status "${STATUS:-full size}"
  split -b 13m "$state/export/v3.safetensors" "$out/v3.safetensors."   # cat v3.safetensors.* > v3.safetensors
  cp "$state/export/v3.toml" "$out"
fi
