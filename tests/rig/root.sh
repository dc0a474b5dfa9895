#!/bin/sh
# Makes the rig's root: a Debian 13 tree with a real Venus host (virglrenderer 1.3, lavapipe) and its peer (Mesa's venus
# driver), QEMU and a stock kernel for the virtual machine. Usage: root.sh DIR (root; needs mmdebstrap and Debian's archive).
set -eu
dir=$1
# The machine's own mirror, wherever that is.
mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
[ -n "$mirror" ] || mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .*/\2/p' /etc/apt/sources.list | head -n 1)
[ -n "$mirror" ] || { echo "no Debian mirror in /etc/apt: the rig's packages come from there" >&2; exit 1; }

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

# The guest's first program: mounts the tree that it was started from, and runs what the rig has put into /vm/job.
init=$(mktemp)
trap 'rm -f "$pins" "$init"' EXIT
cat >"$init" <<'I'
#!/bin/sh
/bin/busybox mount -t proc proc /proc
/bin/busybox --install -s /bin
export PATH=/bin
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for m in /mod/*.ko; do insmod $m || echo "insmod $m failed"; done
share=trans=virtio,version=9p2000.L,msize=1048576
mount -t 9p -o $share,cache=loose,ro host /ro || poweroff -f
mount -t tmpfs tmpfs /rw
mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=/ro,upperdir=/rw/upper,workdir=/rw/work overlay /newroot || poweroff -f
for d in proc sys dev; do mount --move /$d /newroot/$d; done
mkdir -p /newroot/dev/shm /newroot/run
mount -t tmpfs tmpfs /newroot/dev/shm
mount -t tmpfs tmpfs /newroot/run
mount -t 9p -o $share job /newroot/vm/job || poweroff -f
ip link set lo up
chroot /newroot /bin/sh /vm/job/run
sync
poweroff -f
I

# Kernel packages are unpacked, not installed: there is nothing to boot here but the rig's own machine.
mmdebstrap --quiet --mode=root --variant=minbase \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --setup-hook="mkdir -p \"\$1/etc/apt/preferences.d\" && cp $pins \"\$1/etc/apt/preferences.d/rig\" && chmod 644 \"\$1/etc/apt/preferences.d/rig\"" \
  --include=mesa-vulkan-drivers,libvulkan1,vulkan-tools,virgl-server,libvirglrenderer1,libegl1,libgl1,libgbm1,libgl1-mesa-dri,libgomp1,qemu-system-x86,qemu-system-modules-opengl,busybox-static,cpio,kmod,xz-utils,zstd \
  --customize-hook='chroot "$1" sh -ec "
    cd /tmp
    kernel=\$(apt-cache depends linux-image-amd64 | sed -n \"s/^ *Depends: \\(linux-image-[0-9].*\\)/\\1/p\")
    parts=\$(apt-cache depends \$kernel | sed -n \"s/^ *Depends: \\(linux-\\(modules\\|binary\\|image\\|base\\)-[0-9].*\\)/\\1/p\")
    apt-get download -qq \$kernel \$parts
    mkdir -p /vm/kernel
    for deb in linux-*.deb; do dpkg-deb -x \$deb /vm/kernel; rm \$deb; done
    version=\${kernel#linux-image-}
    echo \$version >/vm/version
    modules=/vm/kernel/usr/lib/modules
    [ -d \$modules ] || modules=/vm/kernel/lib/modules
    rm -rf /usr/lib/modules
    ln -s \$modules /usr/lib/modules
    depmod \$version
    mkdir -p /vm/job /vm/initramfs/bin /vm/initramfs/mod /vm/initramfs/proc /vm/initramfs/sys /vm/initramfs/dev /vm/initramfs/ro /vm/initramfs/rw /vm/initramfs/newroot
    cp /usr/bin/busybox /vm/initramfs/bin/
    ln -s busybox /vm/initramfs/bin/sh
    i=100
    for m in \$(modprobe -S \$version -D -a 9pnet_virtio 9p overlay virtio-gpu | sed -n \"s/^insmod \([^ ]*\).*/\1/p\"); do
      name=\$(basename \${m%.*})
      [ ! -e /vm/initramfs/mod/???-\$name ] || continue
      case \$m in *.xz) xz -dc \$m ;; *.zst) zstd -dcq \$m ;; *) cat \$m ;; esac >/vm/initramfs/mod/\$i-\$name
      i=\$((i + 1))
    done
    cp \$(find /vm/kernel -name vmlinuz-\* -type f | head -n 1) /vm/vmlinuz
  "' \
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
  --customize-hook="cp $init \"\$1/vm/initramfs/init\" && chmod 755 \"\$1/vm/initramfs/init\"" \
  --customize-hook='chroot "$1" sh -ec "cd /vm/initramfs && find . | cpio -o -H newc --quiet | gzip -1 >/vm/initramfs.gz && rm -rf /vm/initramfs /vm/kernel/boot"' \
  --customize-hook='rm -rf "$1"/var/cache/apt/archives/*.deb' \
  trixie "$dir" \
  "deb $mirror trixie main" "deb $mirror trixie-backports main" "deb $mirror forky main"
