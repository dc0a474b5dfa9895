#!/bin/sh
# Makes what an arm64 guest needs, from Debian: DIR/tree, its root, and DIR/qemu-system-aarch64, which runs it in the rig's root. Usage: arm64.sh DIR QEMU, the
# latter the version of the rig's own QEMU, whose libraries and modules serve here, too (needs mmdebstrap and Debian's archive).
set -eu
dir=$1
# The hook has this from the environment.
export qemu="$2"
. "${0%/*}/mirror.sh"

# Mesa as in the rig's root.
pins=$(mktemp)
trap 'rm -f "$pins"' EXIT
cat >"$pins" <<'P'
Package: *
Pin: release n=trixie-backports
Pin-Priority: 100

Package: *
Pin: release n=forky
Pin-Priority: 50

Package: src:mesa
Pin: release n=trixie-backports
Pin-Priority: 600
P

# Only unpacked: nothing of the tree is run here, so its processor is no hindrance.
mkdir "$dir"
mmdebstrap --quiet --mode=root --variant=extract --architectures=arm64,amd64 \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' --aptopt='APT::Sandbox::User "root"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --setup-hook="mkdir -p \"\$1/etc/apt/preferences.d\" && cp $pins \"\$1/etc/apt/preferences.d/rig\" && chmod 644 \"\$1/etc/apt/preferences.d/rig\"" \
  --include=base-files,base-passwd,dash,coreutils,grep,busybox-static,mesa-vulkan-drivers,libvulkan1,vulkan-tools \
  --extract-hook='
    set -eu
    export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
    mkdir -p "$1/debs" "$1/opt/llama" "$1/opt/qemu"
    cd "$1/debs"
    # llama.cpp is built for a newer C library, so it gets its own.
    apt-get download -qq llama.cpp-tools/forky libllama0/forky libggml0/forky libggml0-backend-vulkan/forky \
      libc6/forky libgcc-s1/forky libstdc++6/forky libgomp1/forky libssl3t64/forky
    for deb in *.deb; do dpkg-deb -x "$deb" "$1/opt/llama"; rm "$deb"; done
    apt-get download -qq "qemu-system-arm:amd64=$qemu"
    dpkg-deb -x *.deb "$1/opt/qemu"
    rm -r "$1/debs"
    # What the packages would do on their installation.
    cp "$1/usr/share/base-passwd/passwd.master" "$1/etc/passwd"
    cp "$1/usr/share/base-passwd/group.master" "$1/etc/group"
    lib=/usr/lib/aarch64-linux-gnu
    ln -s "/opt/llama$lib/ggml" "$1$lib/ggml"
    for program in llama-server llama-bench; do
      echo "#!/bin/sh" >"$1/usr/bin/$program"
      echo "exec /opt/llama$lib/ld-linux-aarch64.so.1 --library-path /opt/llama$lib:/opt/llama$lib/llama:$lib /opt/llama/usr/bin/$program \"\$@\"" >>"$1/usr/bin/$program"
      chmod 755 "$1/usr/bin/$program"
    done
  ' \
  trixie "$dir/tree" "deb $mirror trixie main" "deb $mirror trixie-backports main" "deb $mirror forky main"
mv "$dir/tree/opt/qemu/usr/bin/qemu-system-aarch64" "$dir"
rm -rf "$dir/tree/opt/qemu" "$dir/tree/var/cache" "$dir/tree/var/lib/apt"
