#!/bin/sh
# Has a container engine (buildah, in a tree of package_tools.sh) take an image from a layout and build another with it, and unpacks that. Usage: engine.sh LAYOUT NAME CONTAINERFILE BASE OUT: BASE
# is a folder with the base image's files; OUT, which must be there, gets the image's files (rootfs) and its variables (environment).
set -eu
# The engine wants / to be a mount point, which the root of a chroot isn't.
if [ -z "${ROOTED-}" ]; then
  mount --rbind / /mnt
  ROOTED=1 exec chroot /mnt sh "$0" "$@"
fi
layout=$1 name=$2 containerfile=$3 base=$4 out=$5
mount -t tmpfs tmpfs /run
mkdir "$out/context"
engine() {
  buildah --storage-driver vfs --root "$out/storage" --runroot "$out/run" "$@"
}
engine pull --quiet "oci:$layout:$name"
printf 'FROM scratch\nCOPY . /\n' >"$out/Containerfile"
engine build --quiet --isolation chroot --network host -t localhost/base -f "$out/Containerfile" "$base"
engine build --quiet --isolation chroot --network host --build-arg BASE=localhost/base -t localhost/both -f "$containerfile" "$out/context"
container=$(engine from localhost/both)
cp -a "$(engine mount "$container")" "$out/rootfs"
engine inspect --format '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' "$container" >"$out/environment"
rm -rf "$out/storage" "$out/run" "$out/context"
