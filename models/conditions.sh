#!/bin/bash
# The conditions that weights are judged by, with nothing but the binary: cut, predict, evaluate.
#
#   models/conditions.sh a OUT [SPLIT]    the given implants of the test skulls, or of another split
#   models/conditions.sh b OUT            injected holes of the test skulls: condition_b.tsv, 12 skulls x 6 kinds
#   models/conditions.sh new OUT          holes that reach low, half vaults and bevelled rims: condition_new.tsv, 12 x 6
#   models/conditions.sh list OUT FILE [SPLIT]
#                                         the holes of another list of `skull, kind, seed` on the skulls of a split (val)
#   models/conditions.sh intact OUT [N] [SPLIT]
#                                         N seeded views (default 25) of every skull of the split, val (default; with
#                                         the intact CT) or test: how many are answered "no defect", with a Wilson
#                                         95 % interval. 200 views and more are what the figure is asked for.
#
# Scored is the whole decision (`missing`), at native spacing. What is there already is not made again, so a run that
# was cut short goes on; give a new OUT after a change. CALVARIA names the binary (default target/release/calvaria),
# CALVARIA_SHARED the data (default ../shared). ONLY=REGEX takes the cases whose key fits, for a try.
set -u
cd "$(dirname "$0")/.." || exit 1
condition=${1:?a, b, new, list or intact}
out=${2:?a folder for masks, answers and scores}
bin=${CALVARIA:-target/release/calvaria}
shared=${CALVARIA_SHARED:-../shared}
fix=$shared/data/skullfix
mkdir -p "$out/cases" "$out/answers" "$out/scores" || exit 1

# predict SKULL KEY: exit 0 or 3 (no defect: an empty mask) are answers; anything else ends the run.
predict() {
    [ -s "$out/answers/$2.code" ] && return
    local code=0
    "$bin" predict "$1" --mask --out "$out/answers/$2_missing.nii.gz" >"$out/answers/$2.log" 2>&1 || code=$?
    # Refused by another rule than the decision (a head too large, say): no mask was written.
    if [ ! -s "$out/answers/$2_missing.nii.gz" ]; then
        echo "$2: no answer, exit $code: $(tail -1 "$out/answers/$2.log")" >&2
        exit 1
    fi
    echo "$code" >"$out/answers/$2.code"
}

# carve KEY ARGUMENTS...: calvaria phantom, once.
carve() {
    local key=$1
    shift
    [ -s "$out/cases/$key.json" ] && return
    "$bin" phantom --out "$out/cases" --key "$key" --json "$@" >"$out/cases/$key.part" || exit 1
    mv "$out/cases/$key.part" "$out/cases/$key.json"
}

fits() { [[ $1 =~ ${ONLY:-} ]]; }

# by_kind: means of the native rows of scores.csv by what follows the first `-` of the key. A hole that got no answer
# has DSC 0 and counts; designed is what got one.
by_kind() {
    awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        $at["grid"] == "native" && $at["method"] == "prediction" {
            kind = $at["case"]; sub(/^[^-]*-/, "", kind); n[kind]++
            dsc[kind] += $at["dsc"]; bdsc[kind] += $at["bdsc"]; got[kind] += $at["dsc"] > 0
            if (!(kind in worst) || $at["dsc"] < worst[kind]) worst[kind] = $at["dsc"]
            if ($at["hd95_mm"] != "") { hd[kind] += $at["hd95_mm"]; hn[kind]++ }
            bad[kind] += $at["dsc"] < 0.1 || $at["centroid_mm"] == "" || $at["centroid_mm"] > 20
        }
        END { for (k in n) printf "%-13s n %2d  designed %2d  DSC %.3f (worst %.3f)  bDSC %.3f  HD95 %.2f mm (n %d)  empty or misplaced %d\n",
            k, n[k], got[k], dsc[k] / n[k], worst[k], bdsc[k] / n[k], hn[k] ? hd[k] / hn[k] : -1, hn[k], bad[k] }' "$1" | sort
}

# holes FILE SPLIT: carves and predicts every hole of a list; a hole that can not be carved ends the run.
holes() {
    while IFS=$'\t' read -r skull kind seed; do
        key=$skull-$kind
        [ "$skull" = skull ] && continue
        fits "$key" || continue
        carve "$key" --from "$fix/$2/${skull}_defective.nii.gz" --implant "$fix/$2/${skull}_implant.nii.gz" \
            --defect "$kind" --seed "$seed"
        predict "$out/cases/${key}_defective.nii.gz" "$key"
    done <"$1"
}

case $condition in
a)
    for skull in "$fix/${3:-test}"/*_defective.nii.gz; do
        key=$(basename "$skull" _defective.nii.gz)
        fits "$key" || continue
        ln -sf "$(realpath "$skull")" "$(realpath "${skull/defective/implant}")" "$out/cases/"
        predict "$skull" "$key"
    done
    ;;
b) holes models/condition_b.tsv test ;;
new) holes models/condition_new.tsv test ;;
list) holes "${3:?a list}" "${4:-val}" ;;
intact)
    views=${3:-25}
    split=${4:-val}
    for seed in $(seq 1 "$views"); do
        for skull in "$fix/$split"/*_defective.nii.gz; do
            key=$(basename "$skull" _defective.nii.gz)-$seed
            fits "$key" || continue
            carve "$key" --from "$skull" --implant "${skull/defective/implant}" --defect none --view "$seed"
            predict "$out/cases/${key}_defective.nii.gz" "$key"
        done
        # Patient P, who is in no training set; the decision was looked at on this one, so not beside `test`.
        key=P-$seed
        [ "$split" = val ] || continue
        fits "$key" || continue
        carve "$key" --from "$shared/data/ct_intact/patient_head.nii.gz" --defect none --view "$seed"
        predict "$out/cases/${key}_defective.nii.gz" "$key"
    done
    cat "$out"/answers/*.code | awk '{ n++; k += $1 == 3 } END { z = 1.959964; p = k / n
        m = (p + z * z / (2 * n)) / (1 + z * z / n); h = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        printf "no defect: %d of %d views, %.1f %% [%.1f, %.1f]\n", k, n, 100 * p, 100 * (m - h), 100 * (m + h) }'
    grep -L '^3' "$out"/answers/*.code | while read -r code; do
        key=$(basename "$code" .code)
        echo "answered as a defect: $key: $(tail -1 "$out/answers/$key.log")"
    done
    exit
    ;;
*)
    echo "the conditions are a, b, new, list and intact" >&2
    exit 2
    ;;
esac
"$bin" evaluate --truth "$out/cases" --defective "$out/cases" --prediction "$out/answers" --out "$out/scores" || exit 1
[ "$condition" != a ] && by_kind "$out/scores/scores.csv"
exit 0
