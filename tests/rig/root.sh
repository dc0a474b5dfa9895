#!/bin/sh
# Makes the rig's root: a Debian 13 tree with a real Venus host (virglrenderer 1.3, lavapipe) and its peer (Mesa's venus
# driver), QEMU and llama.cpp. Usage: root.sh DIR (root; needs mmdebstrap and Debian's archive).
set -eu
dir=$1
. "${0%/*}/mirror.sh"

pins=$(mktemp)
cat >"$pins" <<'P'
Package: *
Pin: release n=trixie-backports
Pin-Priority: 100

Package: *
Pin: release n=forky
Pin-Priority: 50

Package: src:mesa src:qemu src:seabios src:ipxe src:edk2
Pin: release n=trixie-backports
Pin-Priority: 600

Package: virgl-server libvirglrenderer1
Pin: release n=forky
Pin-Priority: 600
P

trap 'rm -f "$pins"' EXIT

# What the rig's machine boots has recipes of its own (vm/), which use programs of this tree. What says that the tree is whole lies in /vm.
mmdebstrap --quiet --mode=root --variant=minbase \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --setup-hook="mkdir -p \"\$1/etc/apt/preferences.d\" && cp $pins \"\$1/etc/apt/preferences.d/rig\" && chmod 644 \"\$1/etc/apt/preferences.d/rig\"" \
  --include=mesa-vulkan-drivers,libvulkan1,vulkan-tools,virgl-server,libvirglrenderer1,libegl1,libgl1,libgbm1,libgl1-mesa-dri,libgomp1,qemu-system-x86,qemu-system-modules-opengl,busybox-static,cpio,kmod,xz-utils,zstd \
  --customize-hook='mkdir "$1/vm"' \
  --customize-hook='chroot "$1" sh -ec "
    # llama.cpp with processor code for any machine, emulated ones too. It is built for a newer C library, so it gets its own.
    cd /tmp
    apt-get download -qq llama.cpp-tools/forky libllama0/forky libggml0/forky libggml0-backend-vulkan/forky \
      libc6/forky libgcc-s1/forky libstdc++6/forky libgomp1/forky libssl3t64/forky
    mkdir /opt/llama
    for deb in *.deb; do dpkg-deb -x \$deb /opt/llama; rm \$deb; done
    lib=/usr/lib/x86_64-linux-gnu
    ln -s /opt/llama\$lib/ggml \$lib/ggml
    for program in llama-server llama-bench; do
      echo \"#!/bin/sh\" >/usr/bin/\$program
      echo exec /opt/llama\$lib/ld-linux-x86-64.so.2 --library-path /opt/llama\$lib:/opt/llama\$lib/llama:\$lib /opt/llama/usr/bin/\$program \\\"\\\$@\\\" >>/usr/bin/\$program
      chmod 755 /usr/bin/\$program
    done
  "' \
  --customize-hook='rm -rf "$1"/var/cache/apt/archives/*.deb' \
  trixie "$dir" \
  "deb $mirror trixie main" "deb $mirror trixie-backports main" "deb $mirror forky main"
