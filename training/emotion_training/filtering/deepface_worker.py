# SPDX-License-Identifier: Apache-2.0
"""
Classify the faces in FOLDER/images.npy with the deepface library; started by `deepface_agreement`.

python -m emotion_training.filtering.deepface_worker FOLDER

FOLDER is also DEEPFACE_HOME. Writes probabilities.npy; errors are printed to standard output.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from emotion_perception.emotions import EMOTIONS, canonical_emotion

_BATCH = 64


def _refuse_connections(event: str, _: tuple) -> None:
    """Audit hook (PEP 578) that prevents any download."""
    if event in ('socket.connect', 'socket.getaddrinfo'):
        raise PermissionError('deepface tried to connect to the network; this is not allowed')


def classify(images: np.ndarray) -> np.ndarray:
    """
    Return the library's probabilities, float32 [N, 7] in the order of EMOTIONS.

    The steps are those of ``DeepFace.analyze(image, actions=['emotion'],
    detector_backend='skip')``, which takes one image at a time: the face is resized to 224x224
    before the network's client resizes it to 48x48.

    Args:
        images: uint8 [N, H, W], grayscale.

    """
    from deepface import DeepFace
    from deepface.models.demography.DemographyUtils import EMOTION_LABELS
    from deepface.modules import preprocessing

    client = DeepFace.build_model(model_name='Emotion', task='facial_attribute')
    order = [[canonical_emotion(name) for name in EMOTION_LABELS].index(e) for e in EMOTIONS]
    found = np.empty((len(images), len(EMOTIONS)), np.float32)
    with tqdm(total=len(images), unit='image', desc='deepface') as bar:
        for start in range(0, len(images), _BATCH):
            faces = [
                preprocessing.resize_image(_scaled(image), (224, 224))[0]
                for image in images[start : start + _BATCH]
            ]
            found[start : start + len(faces)] = client.predict(faces).reshape(len(faces), -1)
            bar.update(len(faces))
    return found[:, order] / found.sum(1, keepdims=True)


def _scaled(image: np.ndarray) -> np.ndarray:
    """Return what deepface's extract_faces returns: BGR, scaled to 0..1 unless nearly black."""
    color = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    return color / 255 if color.max() > 1 else color


def main(folder: Path) -> int:
    """Read images.npy and write probabilities.npy."""
    sys.addaudithook(_refuse_connections)
    try:
        found = classify(np.load(folder / 'images.npy'))
    except ModuleNotFoundError as error:
        print(
            f'{error.name} is not installed; '
            'pip install --no-deps -r training/requirements-deepface.txt'
        )
        return 1
    except ValueError as error:
        cause = str(error.__cause__ or error).splitlines()[0]
        print(f'the library does not accept the weights: {cause}')
        return 1
    np.save(folder / 'probabilities.npy', found)
    return 0


if __name__ == '__main__':
    sys.exit(main(Path(sys.argv[1])))
