#!/bin/sh
# Has a container engine (buildah, in a tree of package_tools.sh) run a program in a container with a device of a CDI spec. Usage: engine_device.sh SPEC DEVICE BASE SHARED OUT PROGRAM...: BASE is a folder
# with the base image's files, SHARED one that the container sees as well, OUT an empty one. Variables that begin with HESPER_ are the program's, too.
set -eu
# The engine wants / to be a mount point, which the root of a chroot isn't.
if [ -z "${ROOTED-}" ]; then
  mount --rbind / /mnt
  ROOTED=1 exec chroot /mnt sh "$0" "$@"
fi
spec=$1 device=$2 base=$3 shared=$4 out=$5
shift 5
mount -t tmpfs tmpfs /run
# Where the engine looks for specs, which is /etc/cdi otherwise.
mkdir "$out/cdi"
cp "$spec" "$out/cdi/"
printf '[engine]\ncdi_spec_dirs = ["%s"]\n' "$out/cdi" >"$out/containers.conf"
export CONTAINERS_CONF="$out/containers.conf"
engine() {
  buildah --storage-driver vfs --root "$out/storage" --runroot "$out/run" "$@"
}
printf 'FROM scratch\nCOPY . /\n' >"$out/Containerfile"
engine build --quiet --isolation chroot --network host -t localhost/base -f "$out/Containerfile" "$base" >&2
set -- "$(engine from --ulimit nofile=1024:1024 --ulimit nproc=4096:4096 localhost/base)" "$@"
for name in $(env | sed -n 's/^\(HESPER_[A-Z_]*\)=.*/\1/p'); do
  set -- --env "$name=$(printenv "$name")" "$@"
done
status=0
engine run --isolation chroot --network host --device "$device" --volume "$shared:$shared" "$@" || status=$?
rm -rf "$out/storage" "$out/run"
exit $status
