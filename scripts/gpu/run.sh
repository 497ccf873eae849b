#!/usr/bin/env bash
# The GPU check: runs every part, or those named, and writes report.md and report.json beside itself and into $OUT.
#
#   bash gpu-check/run.sh                        all parts
#   bash gpu-check/run.sh golden stages          these
#   bash gpu-check/run.sh --device cpu golden    to try the check itself where there is no GPU
#
# Needs Linux on x64 and a python3 whose torch is the release that the package is built for; no Node.js, no network.
# Parts that check nothing but results run all at once, those that fill memory or measure time one after another. A
# part that fails or takes too long does not stop the others. The last line is `N passed, N failed`.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export MEDCOSS_GPU_DEVICE=cuda
# Seconds for everything (MEDCOSS_GPU_SECONDS); a part gets what is left of it, at most its own limit. MEDCOSS_GPU_BATCHES
# names the batches whose steps are measured ("128 512").
budget=${MEDCOSS_GPU_SECONDS:-480}

# With their limits in seconds.
together=(facts kernels golden precision kmeans losses graph stages compile sanitizer)
alone=(ops memory kmeans-speed bench timeline)
declare -A limits=([facts]=120 [kernels]=20 [golden]=120 [precision]=120 [kmeans]=120 [losses]=180 [graph]=120 [stages]=120
  [compile]=200 [sanitizer]=180 [ops]=60 [memory]=40 [kmeans-speed]=120 [bench]=600 [timeline]=100)

slowness=1
parts=()
while [ $# -gt 0 ]; do
  case $1 in
    --device) MEDCOSS_GPU_DEVICE=$2; [ "$2" != cpu ] || slowness=10; shift ;;
    *) if [ -z "${limits[$1]:-}" ]; then echo "Expected a part of: ${!limits[*]}; received $1" >&2; exit 2; fi
       parts+=("$1") ;;
  esac
  shift
done
[ ${#parts[@]} -gt 0 ] || parts=("${together[@]}" "${alone[@]}")

# Python unpacks, because it is the one tool that is there for certain.
unpack() { # archive, folder
  if cmp -s "$here/$1.sha256" "$here/unpacked/$1.sha256"; then return; fi
  echo "Unpacking $1 ..."
  mkdir -p "$2"
  python3 -W ignore -m tarfile -e "$here/$1.tar.xz" "$2" || { echo "0 passed, 1 failed"; return 1; }
  cp "$here/$1.sha256" "$here/unpacked/$1.sha256"
}
app=$here/unpacked/app
mkdir -p "$app"
unpacking=()
for archive in runtime app; do unpack "$archive" "$app" & unpacking+=($!); done
unpack store "$app/store" & unpacking+=($!)
for one in "${unpacking[@]}"; do wait "$one" || exit 1; done
node=$app/runtime/node

# The torch of this python3, found without importing it; elsewhere LibTorch in the cache folder.
torch=$(python3 -c 'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")')
if [ -n "$torch" ]; then export MEDCOSS_LIBTORCH=${MEDCOSS_LIBTORCH:-$torch}; fi
export MEDCOSS_BENCH_PYTHON=${MEDCOSS_BENCH_PYTHON:-$(command -v python3)}
export MEDCOSS_GPU_RESULTS=$here/results
# What torch.compile makes in one part serves the next.
export TORCHINDUCTOR_CACHE_DIR=${TORCHINDUCTOR_CACHE_DIR:-$here/unpacked/inductor}
mkdir -p "$MEDCOSS_GPU_RESULTS"
cd "$app" || exit 1

run_part() {
  local part=$1 code
  local limit=$((slowness * ${limits[$part]})) left=$((slowness * budget - SECONDS - 5)) started
  started=$(date +%s.%N)
  rm -f "$MEDCOSS_GPU_RESULTS/$part".*
  [ "$left" -ge "$limit" ] || limit=$left
  export MEDCOSS_GPU_LIMIT=$limit
  # A part without time says so itself.
  [ "$limit" -ge 10 ] || limit=10
  timeout --signal=INT --kill-after=5 "$limit" "$node" "js/scripts/gpu/checks/$part.mjs" \
    > "$MEDCOSS_GPU_RESULTS/$part.log" 2>&1
  code=$?
  echo "$code $limit $started $(date +%s.%N)" > "$MEDCOSS_GPU_RESULTS/$part.exit"
  printf '== %s\n%s\n' "$part" "$(cat "$MEDCOSS_GPU_RESULTS/$part.log")"
}

# Those of an H200 (143,771 MiB) hold all of them at once; how much they take together was not measured. Most of it are
# the steps of `compile`, which starts fewer at a time on a smaller GPU.
memory=$(nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits 2> /dev/null | head -n 1)
export MEDCOSS_GPU_MEMORY=${memory:-0}
runs_alone() {
  [ "$MEDCOSS_GPU_DEVICE" = cpu ] || [ "${memory:-0}" -lt 80000 ] || [[ " ${alone[*]} " == *" $1 "* ]]
}
for part in "${parts[@]}"; do
  runs_alone "$part" || run_part "$part" &
done
wait
for part in "${parts[@]}"; do
  if runs_alone "$part"; then run_part "$part"; fi
done

"$node" js/scripts/gpu/report.mjs "${parts[@]}"
code=$?
cp "$MEDCOSS_GPU_RESULTS"/report.* "$here/"
if [ -n "${OUT:-}" ]; then
  cp "$here"/report.* "$OUT/"
  tar -czf "$OUT/results.tar.gz" -C "$here" results
fi
tail -n 1 "$here/report.md"
exit "$code"
