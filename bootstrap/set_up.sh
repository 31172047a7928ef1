#!/usr/bin/env bash
# Make .venv, install the pinned requirements and build emotion_msgs and emotion_perception into install/.
# Where a ROS 2 installation is sourced it is used; elsewhere ROS 2 comes from wheels. Run by make; repeats nothing.
#
#   bootstrap/set_up.sh [--tests]
#   PYTHON=python3.12 chooses the interpreter, EMOTION_CMAKE_ARGS="-D..." is passed on to CMake
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

# run STEP COMMAND...: the output goes to the log; a failure ends with one line that says what and where.
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

pip_install() { .venv/bin/python -m pip install --disable-pip-version-check --progress-bar off "$@"; }

stamp_of() { cat bootstrap/set_up.sh "$@" | sha256sum | cut -d' ' -f1; }

python=$(choose_python)
[ -n "$python" ] || fail "Python 3.11 or 3.12 is needed${PYTHON:+, PYTHON=$PYTHON is not}; install python3.11 with its venv module, or pass PYTHON=/path/to/python3.11"
for compiler in c++ make; do
  command -v "$compiler" >/dev/null || fail "$compiler is missing; install a C++ compiler and make (Debian, Ubuntu: apt install build-essential)"
done

source_of_ros=wheels
if ros_is_sourced; then source_of_ros="ROS 2 $ROS_DISTRO as sourced"; fi

requirements=(bootstrap/requirements-runtime.txt)
[ "$source_of_ros" = wheels ] && requirements+=(bootstrap/requirements-ros.txt)
[ "${1:-}" = --tests ] && requirements+=(bootstrap/requirements-bags.txt bootstrap/requirements-dev.txt training/requirements.txt)
wanted="$(stamp_of bootstrap/constraints.txt bootstrap/requirements-files.txt training/requirements-deepface.txt "${requirements[@]}") $source_of_ros"

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

if ! grep -qsxF "$wanted" .venv/have; then
  mkdir -p log; : >"$log"
  # one that was interrupted while it was made has no pip yet
  if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    system=(); [ "$source_of_ros" = wheels ] || system=(--system-site-packages)
    run "making .venv with $("$python" --version)" "$python" -m venv --clear "${system[@]}" .venv
  fi
  constrain >.venv/constraints.txt
  select_requirements >.venv/requirements.txt
  run "installing requirements (ROS 2: $source_of_ros)" pip_install -c .venv/constraints.txt -r .venv/requirements.txt
  run 'installing model and picture files' pip_install --no-deps -r bootstrap/requirements-files.txt
  if [ "${1:-}" = --tests ]; then
    run 'installing training' pip_install --no-deps --no-build-isolation -e training -r training/requirements-deepface.txt
  fi
  echo "$wanted" >>.venv/have
fi

sources=(emotion_msgs emotion_perception launch config package.xml setup.py setup.cfg resource)
built="$(find "${sources[@]}" -type f -not -name '*.pyc' | sort | xargs -d '\n' sha256sum | sha256sum | cut -d' ' -f1) $wanted"
if [ "$(cat install/.built 2>/dev/null || true)" != "$built" ]; then
  # shellcheck disable=SC2206  # EMOTION_CMAKE_ARGS is a list of words
  options=(--cmake-args -DBUILD_TESTING=OFF ${EMOTION_CMAKE_ARGS:-})
  if [ "$source_of_ros" = wheels ]; then
    export AMENT_PREFIX_PATH=$root/.venv CMAKE_PREFIX_PATH=$root/.venv
    options+=("-DCMAKE_PROJECT_INCLUDE=$root/bootstrap/ros_wheels.cmake")
  fi
  PATH=$root/.venv/bin:$PATH run 'building emotion_msgs and emotion_perception' colcon build --cmake-clean-cache "${options[@]}"
  echo "$built" >install/.built
fi
