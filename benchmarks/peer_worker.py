"""One package in its own environment: reads frame numbers, answers with seconds and faces. See peers.py."""

import itertools
import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path


def _on_camera_time(pipeline):
    """Return a call with stamps at 30 Hz: how long the others take between two frames must not matter."""
    numbers = itertools.count()
    return lambda image: pipeline.process(image, next(numbers) / 30)


def _ours(folder):
    from emotion_perception import Pipeline

    return _on_camera_time(Pipeline.default()), 'searching every image'


def _as_the_node(folder):
    from emotion_perception import Pipeline
    from emotion_perception.detection.keyframes import DETECT_EVERY

    pipeline = Pipeline.default(detect_every=DETECT_EVERY)
    return _on_camera_time(pipeline), 'as the node runs'


def _fer(folder):
    from fer.fer import FER

    return FER(mtcnn=False).detect_emotions, version('fer')


def _deepface(folder):
    """Analyze with YuNet, as its README does; the emotion network has weights of chance, which cost the same."""
    weights = folder / '.deepface' / 'weights'
    weights.mkdir(parents=True)
    (weights / 'face_detection_yunet_2023mar.onnx').symlink_to(folder / 'yunet.onnx')
    os.environ['DEEPFACE_HOME'] = str(folder)
    os.environ['DEEPFACE_BACKEND_ENGINE'] = 'tensorflow'
    sys.path.append(str(Path(__file__).parents[1] / 'training'))
    import tf_keras

    from emotion_training.filtering.deepface_standin import build_network

    build_network(tf_keras).save_weights(str(weights / 'facial_expression_model_weights.h5'))
    from deepface import DeepFace

    def analyze(image):
        return DeepFace.analyze(image, actions=['emotion'], detector_backend='yunet', silent=True)

    return analyze, version('deepface')


def main():
    """Load the package, say that it is ready, answer until the input ends."""
    os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
    name, folder = sys.argv[1], Path(sys.argv[2])
    import cv2

    images = [cv2.imread(str(path)) for path in sorted(folder.glob('*.png'))]
    work, what = {'fer': _fer, 'deepface': _deepface, 'node': _as_the_node}.get(name, _ours)(
        folder
    )
    work(images[0])
    print(json.dumps({'version': what}), flush=True)
    for line in sys.stdin:
        image = images[int(line) % len(images)]
        started = time.perf_counter()
        found = work(image)
        spent = time.perf_counter() - started
        print(json.dumps({'seconds': spent, 'faces': len(found)}), flush=True)


if __name__ == '__main__':
    main()
