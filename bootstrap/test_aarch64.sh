#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the command line and the unit tests of the runtime for aarch64 under emulation, on Debian for x86-64.
# Nothing is installed on the system: Python, its libraries and the emulator are unpacked in .aarch64/. ROS has no
# aarch64 wheels, so nodes and messages are not tested. Called by `make test-aarch64`; about 20 minutes.
#
#   bootstrap/test_aarch64.sh [TEST...]
#   QEMU=/path/to/qemu-aarch64 is used as emulator; LiteRT needs version 8 or newer
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$root/.aarch64
log=$folder/log
fail() { printf 'test-aarch64: %s\n' "$*" >&2; exit 1; }
say() { printf 'test-aarch64: %s\n' "$*"; }

for command in apt-get dpkg-deb python3; do
  command -v "$command" >/dev/null || fail "$command is missing: this needs Debian or Ubuntu"
done
mkdir -p "$folder"

# apt_root NAME ARCHITECTURE: a configuration of apt with lists and packages of its own
apt_root() {
  mkdir -p "$folder/$1"/{lists/partial,archives/partial,sources,files}
  touch "$folder/$1/status"
  cat >"$folder/$1/apt.conf" <<END
APT::Architecture "$2";
APT::Architectures { "$2"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Dir::State "$folder/$1";
Dir::State::status "$folder/$1/status";
Dir::Cache "$folder/$1";
END
}

# unpack NAME PACKAGE...: downloads packages with all that they need and unpacks them in NAME/files
unpack() {
  local name=$1; shift
  APT_CONFIG=$folder/$name/apt.conf apt-get update >>"$log" 2>&1 || fail "the package lists cannot be had (log: $log)"
  APT_CONFIG=$folder/$name/apt.conf apt-get install -y --download-only "$@" >>"$log" 2>&1 ||
    fail "$* cannot be downloaded (log: $log)"
  for package in "$folder/$name"/archives/*.deb; do dpkg-deb -x "$package" "$folder/$name/files"; done
}

if [ ! -e "$folder/ready" ]; then
  : >"$log"
  say 'downloading Python for aarch64'
  apt_root python arm64
  unpack python python3-minimal libpython3-stdlib libstdc++6
  say 'downloading the wheels for aarch64'
  version=$(cd "$folder"/python/files/usr/bin && ls python3.* | head -n 1)
  python3 -m pip install -q --target "$folder/site" --implementation cp --python-version "${version#python}" \
    --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux2014_aarch64 \
    --only-binary=:all: -c "$root/bootstrap/constraints.txt" -r "$root/bootstrap/requirements-runtime.txt" \
    pytest hypothesis >>"$log" 2>&1 || fail "the wheels cannot be had (log: $log)"
  python3 -m pip install -q --target "$folder/site" --no-deps \
    -r "$root/bootstrap/requirements-files.txt" >>"$log" 2>&1 || fail "the wheels cannot be had (log: $log)"
  touch "$folder/ready"
fi

qemu=${QEMU:-$(command -v qemu-aarch64 || command -v qemu-aarch64-static || true)}
major=0
[ -n "$qemu" ] && major=$("$qemu" --version | sed -n 's/.*version \([0-9]*\).*/\1/p')
if [ "${major:-0}" -lt 8 ]; then
  # LiteRT crashes in older versions. Debian 12 has 7.2: take that of Debian 13, which is one static file
  qemu=$folder/qemu/files/usr/bin/qemu-aarch64
  if [ ! -x "$qemu" ]; then
    say 'downloading the emulator'
    apt_root qemu "$(dpkg --print-architecture)"
    uri=$(apt-get indextargets --format '$(REPO_URI)' | grep -m 1 '/debian/*$') ||
      fail 'no Debian source is configured; give the emulator with QEMU='
    printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\nSigned-By: %s\n' "$uri" \
      /usr/share/keyrings/debian-archive-keyring.gpg >"$folder/qemu/sources/debian.sources"
    printf 'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "%s";\n' "$folder/qemu/sources" \
      >>"$folder/qemu/apt.conf"
    unpack qemu qemu-user
  fi
fi

export QEMU_LD_PREFIX=$folder/python/files PYTHONDONTWRITEBYTECODE=1 LD_LIBRARY_PATH=
export PYTHONPATH=$root:$root/test:$folder/site
python=("$qemu" "$(echo "$folder"/python/files/usr/bin/python3.*)")
cd "$root"
say "$("${python[@]}" -c 'import platform; print("Python", platform.python_version(), "on", platform.machine())')"
"${python[@]}" -m emotion_perception.cli image "$folder/site/skimage/data/astronaut.png" | tee "$folder/portrait.txt"
grep -q happiness "$folder/portrait.txt" || fail 'the portrait shows no happiness'
tests=("$@")
# the other unit tests process streams, which takes hours under emulation
[ $# -gt 0 ] || tests=(test/unit/test_{alignment,classification,emotions,files,geometry,tracking,visualization}.py
  test/unit/detection/test_{blazeface,views,landmark_flow}.py test/unit/runtime)
exec "${python[@]}" -m pytest -q -p no:cacheprovider -m 'not slow' "${tests[@]}"
