#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes .venv, installs the pinned requirements and builds emotion_msgs and emotion_perception into install/.
# Uses the ROS 2 installation that is sourced, else installs ROS 2 from wheels. Called by make; skips what is done.
#
#   bootstrap/set_up.sh [--tests]
#   PYTHON=python3.12 chooses the interpreter; EMOTION_CMAKE_ARGS="-D..." is passed on to CMake
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
log=$root/log/set_up.log

fail() { printf 'set-up: %s\n' "$*" >&2; exit 1; }
say() { printf 'set-up: %s\n' "$*"; }

ros_is_sourced() { [ -n "${ROS_DISTRO:-}" ] && python3 -c 'import rclpy' 2>/dev/null; }

choose_python() {
  if ros_is_sourced; then echo "${PYTHON:-python3}"; return; fi
  for python in ${PYTHON:-python3.11 python3.12 python3}; do
    if "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
      echo "$python"; return
    fi
  done
}

# run STEP COMMAND...: writes the output to the log; a failure ends the set-up with one line.
run() {
  local step=$1; shift
  say "$step"
  if ! "$@" >>"$log" 2>&1; then
    if grep -qiE 'could not resolve|name resolution|connection (refused|error|broken)|newconnectionerror|timed out|network is unreachable|proxyerror' "$log"; then
      fail "$step failed: the package index cannot be reached; connect this machine to the network and repeat (log: $log)"
    fi
    fail "$step failed; the last lines of $log: $(tail -n 3 "$log" | tr '\n' ' ')"
  fi
}

# python compiles what is used at its first import: most of these packages are never imported
pip_install() {
  .venv/bin/python -m pip install --disable-pip-version-check --progress-bar off --no-compile \
    -c .venv/constraints.txt "$@"
}

stamp_of() { cat bootstrap/set_up.sh "$@" | sha256sum | cut -d' ' -f1; }

python=$(choose_python)
[ -n "$python" ] || fail "Python 3.11 or 3.12 is needed${PYTHON:+, PYTHON=$PYTHON is not}; install python3.11 with its venv module, or pass PYTHON=/path/to/python3.11"
for compiler in c++ make; do
  command -v "$compiler" >/dev/null || fail "$compiler is missing; install a C++ compiler and make (Debian, Ubuntu: apt install build-essential)"
done

source_of_ros=wheels
if ros_is_sourced; then source_of_ros="ROS 2 $ROS_DISTRO as sourced"; fi

# complete lists, installed with --no-deps; and requirements whose dependencies pip finds
complete=(bootstrap/requirements-files.txt)
[ "$source_of_ros" = wheels ] && complete+=(bootstrap/requirements-ros.txt)
requirements=(bootstrap/requirements-runtime.txt bootstrap/requirements-live.txt)
[ "${1:-}" = --tests ] && requirements+=(bootstrap/requirements-bags.txt bootstrap/requirements-archives.txt bootstrap/requirements-dev.txt training/requirements.txt)
wanted="$(stamp_of bootstrap/constraints.txt training/requirements-deepface.txt "${complete[@]}" "${requirements[@]}") $source_of_ros"

# With a ROS 2 installation its NumPy and OpenCV stay: its own extensions are built against them.
constrain() {
  if [ "$source_of_ros" = wheels ]; then cat bootstrap/constraints.txt; return; fi
  .venv/bin/python -c 'import numpy; print("numpy==" + numpy.__version__)' 2>/dev/null || true
}
select_requirements() {
  if [ "$source_of_ros" != wheels ] && .venv/bin/python -c 'import cv2' 2>/dev/null; then
    cat "${requirements[@]}" | grep -v '^opencv'
  else
    cat "${requirements[@]}"
  fi
}

sources=(emotion_msgs emotion_perception launch config package.xml setup.py setup.cfg resource)
built="$(find "${sources[@]}" -type f -not -name '*.pyc' | sort | xargs -d '\n' sha256sum | sha256sum | cut -d' ' -f1) $wanted"

build() {
  local log=$root/log/build.log
  # shellcheck disable=SC2206  # EMOTION_CMAKE_ARGS is a list of words
  local options=(--cmake-args -DBUILD_TESTING=OFF ${EMOTION_CMAKE_ARGS:-})
  if [ "$source_of_ros" = wheels ]; then
    export AMENT_PREFIX_PATH=$root/.venv CMAKE_PREFIX_PATH=$root/.venv
    options+=("-DCMAKE_PROJECT_INCLUDE=$root/bootstrap/ros_wheels.cmake")
  fi
  # colcon's own flags include -l, a limit of the load, which leaves a core idle while pip works
  MAKEFLAGS=-j$(nproc) PATH=$root/.venv/bin:$PATH \
    run 'building emotion_msgs and emotion_perception' colcon build --cmake-clean-cache "${options[@]}"
  echo "$built" >install/.built
}

mkdir -p log
needs_build=; [ "$(cat install/.built 2>/dev/null || true)" = "$built" ] || { needs_build=1; : >log/build.log; }
if ! grep -qsxF "$wanted" .venv/have; then
  : >"$log"
  # a .venv that was interrupted while it was made has no pip yet
  if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    system=(); [ "$source_of_ros" = wheels ] || system=(--system-site-packages)
    run "making .venv with $("$python" --version)" "$python" -m venv --clear "${system[@]}" .venv
  fi
  constrain >.venv/constraints.txt
  run "installing ROS 2 from: $source_of_ros; files of models and images" \
    pip_install --no-deps $(printf -- '-r %s ' "${complete[@]}")
  if [ -n "$needs_build" ]; then build & builder=$!; needs_build=; fi
  select_requirements >.venv/requirements.txt
  run 'installing requirements' pip_install -r .venv/requirements.txt
  if [ "${1:-}" = --tests ]; then
    run 'installing training' pip_install --no-deps --no-build-isolation -e training -r training/requirements-deepface.txt
  fi
  if [ -n "${builder:-}" ]; then wait "$builder" || exit 1; fi
  echo "$wanted" >>.venv/have
fi
if [ -n "$needs_build" ]; then build; fi
