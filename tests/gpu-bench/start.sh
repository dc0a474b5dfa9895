#!/bin/sh
# On a machine with a GPU, as root: unpacks the bundle that `cargo xtask gpu-bench pack` has made, once, and runs gpu-bench in it.
# Usage: start.sh BUNDLE RESULTS ARGUMENT... (those of `gpu-bench run`; --help lists them). RESULTS is a new file, or an empty one. Models stay in memory for the next call.
set -eu
bundle=$1 results=$2
shift 2
sum=$(sha256sum "$bundle")
root=/var/tmp/gpu-bench-${sum%% *}
if [ ! -e "$root/whole" ]; then
  mkdir -p "$root"
  xz -dc -T0 "$bundle" | tar -C "$root" -xf -
  touch "$root/whole"
fi
mounted() {
  grep -q " $1 " /proc/mounts
}
mkdir -p "$root/models" "$root/out" "$root/usr/local/nvidia"
for folder in /dev /proc /sys /usr/local/nvidia; do
  [ ! -d "$folder" ] || mounted "$root$folder" || mount --rbind "$folder" "$root$folder"
done
# Files in memory are read and written faster than any disk; without the right to it, the disk has to do.
mounted "$root/models" || mount -t tmpfs -o size=100g none "$root/models" || true
mkdir -p "$root/dev/shm" "$(dirname "$results")"
touch "$results"
mounted "$root/out/results" || touch "$root/out/results"
mount --bind "$results" "$root/out/results"
# NVIDIA's driver, where containers find it.
if [ -d /usr/local/nvidia ]; then
  export LD_LIBRARY_PATH=/usr/local/nvidia/lib64
  export __EGL_VENDOR_LIBRARY_FILENAMES=/usr/local/nvidia/share/glvnd/egl_vendor.d/10_nvidia.json
fi
export HOME=/root LC_ALL=C PATH=/usr/bin XDG_RUNTIME_DIR=/tmp TMPDIR=/tmp
status=0
/usr/sbin/chroot "$root" /usr/bin/gpu-bench run --out /out/results "$@" || status=$?
/bin/umount "$root/out/results"
exit $status
