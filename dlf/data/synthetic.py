"""A generated dataset in the field's own layout, for a newcomer's first run and for tests.

Its labels have three sources: what is said, which the words show plainly, and a smaller part each
that only the voice and only the face show. Utterance lengths and the spread of the labels are like
CMU-MOSI's. Features are rounded, so that one seed gives one digest on every machine.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlf.command import BadInputError, reason_of
from dlf.whole_file import replaced_whole

CLIPS = {"train": 256, "valid": 80, "test": 120}
TIME_STEPS = 50
TEXT_WIDTH, AUDIO_WIDTH, VISION_WIDTH = 32, 5, 20
CLS, SEP = 101, 102

# (word, valence from -3 to 3, token id in the vocabulary of bert-base-uncased)
LEXICON = (
    ("the", 0.0, 1996),
    ("a", 0.0, 1037),
    ("this", 0.0, 2023),
    ("movie", 0.0, 3185),
    ("film", 0.0, 2143),
    ("i", 0.0, 1045),
    ("it", 0.0, 2009),
    ("is", 0.0, 2003),
    ("was", 0.0, 2001),
    ("and", 0.0, 1998),
    ("but", 0.0, 2021),
    ("story", 0.0, 2466),
    ("acting", 0.0, 3772),
    ("plot", 0.0, 5436),
    ("um", 0.0, 8529),
    ("think", 0.0, 2228),
    ("just", 0.0, 2074),
    ("excellent", 3.0, 6581),
    ("amazing", 3.0, 6429),
    ("brilliant", 2.8, 8235),
    ("wonderful", 2.6, 6919),
    ("loved", 2.4, 3866),
    ("perfect", 2.2, 3819),
    ("great", 2.0, 2307),
    ("funny", 1.6, 6057),
    ("enjoyed", 1.4, 5632),
    ("good", 1.2, 2204),
    ("fun", 1.0, 4569),
    ("nice", 0.8, 3835),
    ("fine", 0.4, 2986),
    ("okay", 0.2, 3100),
    ("maybe", -0.2, 2672),
    ("slow", -0.8, 4030),
    ("weak", -1.0, 5410),
    ("dull", -1.2, 10634),
    ("poor", -1.4, 3532),
    ("bad", -1.8, 2919),
    ("stupid", -2.0, 5236),
    ("boring", -2.2, 11771),
    ("hated", -2.4, 6283),
    ("awful", -2.6, 9643),
    ("terrible", -2.8, 6659),
    ("horrible", -3.0, 9202),
    ("worst", -3.0, 5409),
)
VALENCES = np.array([valence for _, valence, _ in LEXICON])
TOKEN_IDS = np.array([token for _, _, token in LEXICON])

# Words per utterance, drawn evenly: half at most ten, a tenth of one to three, a few very long.
UTTERANCE_LENGTHS = (
    *(1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10),
    *(10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 24, 27, 34, 48),
)

LANGUAGE_SPREAD, VOICE_SPREAD, FACE_SPREAD, ANNOTATOR_NOISE = 1.2, 0.5, 0.5, 0.2
VISION_MISSING = 0.08


def generate(seed: int) -> dict[str, dict[str, Any]]:
    """Return the three splits as a feature file would hold them; one seed gives one dataset."""
    random = np.random.default_rng(seed)
    embeddings = random.normal(0.0, 0.5, (len(LEXICON), TEXT_WIDTH))
    embeddings += VALENCES[:, None] * _direction(random, TEXT_WIDTH)
    special = random.normal(0.0, 0.5, (2, TEXT_WIDTH))
    voice, face = _direction(random, AUDIO_WIDTH), _direction(random, VISION_WIDTH)
    return {
        name: _split(random, name, clips, embeddings, special, voice, face)
        for name, clips in CLIPS.items()
    }


def write_feature_file(path: Path, seed: int) -> None:
    """Write the dataset of a seed as a feature file, a pickle in the MMSA layout.

    Raises:
        BadInputError: when there cannot be such a file.
    """
    if path.is_dir():
        raise BadInputError(f"{path} is a folder; --pickle takes a file")
    try:
        with replaced_whole(path) as unfinished:
            unfinished.write_bytes(pickle.dumps(generate(seed)))
    except OSError as error:
        raise BadInputError(f"{path} cannot be written: {reason_of(error)}") from error


def _split(
    random: np.random.Generator,
    name: str,
    clips: int,
    embeddings: NDArray[np.float64],
    special: NDArray[np.float64],
    voice: NDArray[np.float64],
    face: NDArray[np.float64],
) -> dict[str, Any]:
    said = random.normal(0.3, LANGUAGE_SPREAD, clips)
    heard = random.normal(0.0, VOICE_SPREAD, clips)
    seen = random.normal(0.0, FACE_SPREAD, clips)
    opinion = said + heard + seen + random.normal(0.0, ANNOTATOR_NOISE, clips)

    text = np.zeros((clips, TIME_STEPS, TEXT_WIDTH))
    audio = np.zeros((clips, TIME_STEPS, AUDIO_WIDTH))
    vision = np.zeros((clips, TIME_STEPS, VISION_WIDTH))
    text_bert = np.zeros((clips, 3, TIME_STEPS), np.int64)
    raw_text = []
    for clip in range(clips):
        words = _utterance(random, said[clip])
        tokens = len(words) + 2
        text_bert[clip, 0, :tokens] = [CLS, *TOKEN_IDS[words], SEP]
        text_bert[clip, 1, :tokens] = 1
        text[clip, :tokens] = np.stack([special[0], *embeddings[words], special[1]])
        text[clip, :tokens] += random.normal(0.0, 0.3, (tokens, TEXT_WIDTH))
        audio[clip, :tokens] = heard[clip] * voice
        audio[clip, :tokens] += random.normal(0.0, 0.6, (tokens, AUDIO_WIDTH))
        if random.random() >= VISION_MISSING:
            vision[clip, :tokens] = seen[clip] * face
            vision[clip, :tokens] += random.normal(0.0, 0.6, (tokens, VISION_WIDTH))
        raw_text.append(" ".join(LEXICON[word][0] for word in words))
    return {
        "id": [f"{name}{clip // 8:02d}$_${clip % 8}" for clip in range(clips)],
        "raw_text": raw_text,
        "text": np.round(text, 4).astype(np.float32),
        "text_bert": text_bert,
        "audio": np.round(audio, 4).astype(np.float32),
        "vision": np.round(vision, 4).astype(np.float32),
        "regression_labels": (np.round(np.clip(opinion, -3, 3) * 5) / 5).astype(np.float32),
    }


def _utterance(random: np.random.Generator, sentiment: float) -> NDArray[np.int64]:
    """Draw word indices: neutral words, and words whose valence lies around `sentiment`."""
    length = UTTERANCE_LENGTHS[random.integers(len(UTTERANCE_LENGTHS))]
    telling = random.random(length) < 0.6
    telling[random.integers(length)] = True
    meant = np.clip(random.normal(sentiment, 0.5, length), -3, 3)
    charged = np.flatnonzero(VALENCES != 0)
    nearest = np.abs(VALENCES[charged] - meant[:, None]).argmin(axis=1)
    neutral = random.integers(int((VALENCES == 0).sum()), size=length)
    return np.where(telling, charged[nearest], np.flatnonzero(VALENCES == 0)[neutral])


def _direction(random: np.random.Generator, width: int) -> NDArray[np.float64]:
    vector = random.normal(size=width)
    unit: NDArray[np.float64] = vector / np.sqrt((vector * vector).sum())
    return unit
