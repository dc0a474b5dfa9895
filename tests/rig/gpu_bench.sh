#!/bin/sh
# Makes a small tree for a machine that has a GPU and no network: llama.cpp, a Venus host (virglrenderer 1.3), Mesa's venus driver, and what a host's own driver
# needs, each file with the libraries that it names. Usage: gpu_bench.sh DIR [lavapipe] (root; needs mmdebstrap and Debian's archive); with lavapipe that driver is
# in it, too, for trials without a GPU.
set -eu
dir=$1 with=${2:-}
. "${0%/*}/mirror.sh"
whole=$dir.whole
rm -rf "$dir" "$whole"
trap 'rm -rf "$whole"' EXIT
# Nothing is set up: files are all that is needed.
mmdebstrap --quiet --mode=root --variant=extract \
  --include=virgl-server,mesa-vulkan-drivers,libvulkan1,llama.cpp-tools,llama.cpp-tools-extra,libggml0-backend-vulkan,libx11-6,libx11-xcb1,libxext6,libegl1,libgl1,libopengl0,libwayland-client0,busybox-static,strace \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/*' --dpkgopt='path-include=/usr/share/vulkan/*' --dpkgopt='path-exclude=/usr/lib/*/gconv/*' \
  forky "$whole" "deb $mirror forky main"
# What programs call these folders comes with a package that sets up a whole system.
for tree in "$whole" "$dir"; do
  mkdir -p "$tree/usr/bin" "$tree/usr/lib" "$tree/usr/lib64"
  for folder in bin lib lib64; do
    [ -e "$tree/$folder" ] || ln -s "usr/$folder" "$tree/$folder"
  done
done
lib=/usr/lib/x86_64-linux-gnu
# Libraries by name are those that drivers open themselves; NVIDIA's needs those of windows, too. libgcc_s is for what is built elsewhere.
cd "$whole"
for file in usr/bin/llama-bench usr/bin/llama-batched-bench usr/bin/llama-server usr/bin/virgl_test_server usr/bin/busybox usr/bin/strace usr/libexec/virgl_render_server \
  .$lib/libvulkan.so.1 .$lib/libvulkan_virtio.so .$lib/libX11.so.6 .$lib/libX11-xcb.so.1 .$lib/libXext.so.6 .$lib/libEGL.so.1 .$lib/libGLX.so.0 .$lib/libGLdispatch.so.0 \
  .$lib/libwayland-client.so.0 .$lib/libdl.so.2 .$lib/libpthread.so.0 .$lib/librt.so.1 .$lib/libm.so.6 .$lib/libgcc_s.so.1 \
  .$lib/ggml/backends0/libggml-vulkan.so .$lib/ggml/backends0/libggml-cpu-*.so ${with:+.$lib/libvulkan_lvp.so}; do
  file=/${file#./}
  echo "$file"
  # Lines like `libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f...)`; a program without libraries has none.
  chroot . /lib64/ld-linux-x86-64.so.2 --list "$file" 2>/dev/null | sed -n 's/^.* => \(\/[^ ]*\) (0x.*$/\1/p'
done | sed 's|^/lib/|/usr/lib/|' | sort -u | while read -r file; do
  mkdir -p "$dir${file%/*}"
  cp -L ".$file" "$dir$file"
done
cp -L lib64/ld-linux-x86-64.so.2 "$dir/usr/lib64"
# Nothing may be missing: nobody could fetch it there.
find "$dir/usr" -type f | while read -r file; do
  chroot "$dir" /lib64/ld-linux-x86-64.so.2 --list "${file#"$dir"}" 2>/dev/null | sed -n "s|.* => not found.*|&, which ${file#"$dir"} needs|p"
done >"$whole/missing"
[ ! -s "$whole/missing" ] || { cat "$whole/missing" >&2; exit 1; }
mkdir -p "$dir/usr/share/vulkan/icd.d"
cp usr/share/vulkan/icd.d/virtio_icd.json ${with:+usr/share/vulkan/icd.d/lvp_icd.json} "$dir/usr/share/vulkan/icd.d"
ln -s busybox "$dir/usr/bin/sh"
for folder in dev proc sys tmp root opt etc; do
  mkdir -p "$dir/$folder"
done
