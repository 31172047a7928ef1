# SPDX-License-Identifier: Apache-2.0
"""Runs one package in its own environment: frame numbers on stdin, times on stdout."""

import itertools
import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path


def _emotion_perception(**options):
    from emotion_perception import Pipeline

    pipeline, numbers = Pipeline.default(**options), itertools.count()
    # stamps at 30 Hz, whatever time the other packages take between two frames
    return lambda image: pipeline.process(image, next(numbers) / 30)


def _each_image(folder):
    return _emotion_perception(), 'detection in every image'


def _node(folder):
    from emotion_perception.detection.keyframes import DETECT_EVERY

    return _emotion_perception(detect_every=DETECT_EVERY), 'as the node runs'


def _fer(folder):
    from fer.fer import FER

    return FER(mtcnn=False).detect_emotions, version('fer')


def _deepface(folder):
    """Use YuNet, as DeepFace's README does, and random weights, which take the same time."""
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


PACKAGES = {'node': _node, 'each-image': _each_image, 'fer': _fer, 'deepface': _deepface}


def main():
    """Load the package named on the command line and process frames until stdin ends."""
    os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
    name, folder = sys.argv[1], Path(sys.argv[2])
    import cv2

    images = [cv2.imread(str(path)) for path in sorted(folder.glob('*.png'))]
    process, package_version = PACKAGES[name](folder)
    process(images[0])
    print(json.dumps({'version': package_version}), flush=True)
    for line in sys.stdin:
        image = images[int(line) % len(images)]
        started_s = time.perf_counter()
        faces = process(image)
        seconds = time.perf_counter() - started_s
        print(json.dumps({'seconds': seconds, 'faces': len(faces)}), flush=True)


if __name__ == '__main__':
    main()
