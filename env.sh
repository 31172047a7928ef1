# SPDX-License-Identifier: Apache-2.0
# source env.sh: sets up a shell for the nodes, messages and command line (after `make setup`)
_emotion_root=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")" && pwd)
if [ ! -f "$_emotion_root/install/setup.bash" ]; then
  echo "env.sh: nothing is built yet; run 'make setup' in $_emotion_root first" >&2
  unset _emotion_root
  return 1 2>/dev/null || exit 1
fi
. "$_emotion_root/.venv/bin/activate"
if ls "$VIRTUAL_ENV"/lib/python3.*/site-packages/ros_wheels_bootstrapper >/dev/null 2>&1; then
  # ROS 2 from wheels: without these paths each Python process starts itself a second time
  export AMENT_PREFIX_PATH="$VIRTUAL_ENV${AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}"
  for _emotion_libs in "$VIRTUAL_ENV/lib" "$VIRTUAL_ENV"/lib/python3.*/site-packages/ros_*.libs; do
    [ -d "$_emotion_libs" ] && LD_LIBRARY_PATH="$_emotion_libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  done
  export LD_LIBRARY_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
  unset _emotion_libs
fi
. "$_emotion_root/install/setup.bash"
export PATH="$_emotion_root/install/emotion_perception/lib/emotion_perception:$PATH"
# images larger than Fast DDS' default shared-memory segment are lost between processes without this
case "${ROS_DISTRO:-$(ls -d "$VIRTUAL_ENV"/lib/python3.*/site-packages/ros_jazzy_rclpy-*.dist-info 2>/dev/null)}" in
  humble|iron|jazzy|*ros_jazzy*) export FASTRTPS_DEFAULT_PROFILES_FILE="${FASTRTPS_DEFAULT_PROFILES_FILE:-$_emotion_root/config/fastdds_images.xml}" ;;
  *) export FASTDDS_DEFAULT_PROFILES_FILE="${FASTDDS_DEFAULT_PROFILES_FILE:-$_emotion_root/config/fastdds_images.xml}" ;;
esac
unset _emotion_root
