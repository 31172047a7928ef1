"""
What runs beside the filter: ask the deepface library about a folder's images.npy.

python -m emotion_training.filtering.deepface_worker FOLDER

FOLDER is also DEEPFACE_HOME. Answers go to answers.npy; what is wrong, to standard output.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from emotion_perception.emotions import EMOTIONS, canonical_emotion

_BATCH = 64


def _refuse_connections(event: str, _: tuple) -> None:
    """Audit hook (PEP 578): this process answers from the file it was given, or not at all."""
    if event in ('socket.connect', 'socket.getaddrinfo'):
        raise PermissionError('deepface wanted to connect to the network; it must not')


def ask(images: np.ndarray) -> np.ndarray:
    """
    Return the library's probabilities, float32 [N, 7] in the order of EMOTIONS.

    The same steps as ``DeepFace.analyze(image, actions=['emotion'], detector_backend='skip')``,
    which takes one image at a time: there too a face grows to 224x224 before the network's
    client shrinks it to 48x48.

    Args:
        images: uint8 [N, H, W], grayscale.

    """
    from deepface import DeepFace
    from deepface.models.demography.DemographyUtils import EMOTION_LABELS
    from deepface.modules import preprocessing

    client = DeepFace.build_model(model_name='Emotion', task='facial_attribute')
    order = [[canonical_emotion(name) for name in EMOTION_LABELS].index(e) for e in EMOTIONS]
    answers = np.empty((len(images), len(EMOTIONS)), np.float32)
    with tqdm(total=len(images), unit='image', desc='deepface') as bar:
        for at in range(0, len(images), _BATCH):
            faces = [
                preprocessing.resize_image(_scaled(image), (224, 224))[0]
                for image in images[at : at + _BATCH]
            ]
            answers[at : at + len(faces)] = client.predict(faces).reshape(len(faces), -1)
            bar.update(len(faces))
    answers = answers[:, order]
    return answers / answers.sum(1, keepdims=True)


def _scaled(image: np.ndarray) -> np.ndarray:
    """Return what deepface's extract_faces hands on: three channels, 0..1 unless nearly black."""
    color = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    return color / 255 if color.max() > 1 else color


def main(folder: Path) -> int:
    """Read images.npy, write answers.npy."""
    sys.addaudithook(_refuse_connections)
    try:
        answers = ask(np.load(folder / 'images.npy'))
    except ModuleNotFoundError as error:
        print(
            f'{error.name} is not installed; '
            'pip install --no-deps -r training/requirements-deepface.txt'
        )
        return 1
    except ValueError as error:
        why = str(error.__cause__ or error).splitlines()[0]
        print(f'the library does not accept the weights: {why}')
        return 1
    np.save(folder / 'answers.npy', answers)
    return 0


if __name__ == '__main__':
    sys.exit(main(Path(sys.argv[1])))
