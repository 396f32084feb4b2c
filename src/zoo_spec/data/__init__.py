"""Where the examples come from, as a spec says it: files of records of each kind, or inputs drawn at random."""

from zoo_spec.data.audio_manifest import AudioManifest
from zoo_spec.data.audio_table import AudioTable
from zoo_spec.data.base import Data, FilePath, FilePaths
from zoo_spec.data.batching import Batching, Bucketed, Packed, Padded
from zoo_spec.data.bertsum_shards import BertSumShards
from zoo_spec.data.cldr_names import CldrNames
from zoo_spec.data.cldr_questions import CldrQuestions
from zoo_spec.data.cldr_sentences import CldrSentences
from zoo_spec.data.cnn_dailymail import CnnDailyMail
from zoo_spec.data.conll import ConllFiles
from zoo_spec.data.embedded_text import PythonChapters, UnicodeNumbers, UnicodeProperties
from zoo_spec.data.generated import GeneratedData, GeneratedShapes
from zoo_spec.data.generated_speech import GeneratedSpeech
from zoo_spec.data.generated_summaries import GeneratedSummaries
from zoo_spec.data.glue import GlueData
from zoo_spec.data.image_folder import ImageFolder
from zoo_spec.data.images import IdxFiles, ImageData
from zoo_spec.data.inspection import Dagm2007, Inria, Severstal
from zoo_spec.data.labelled_images import LabelledImageData
from zoo_spec.data.labelled_text import LabelledTextData
from zoo_spec.data.labelled_words import LabelledWordsData
from zoo_spec.data.librispeech import LibriSpeech
from zoo_spec.data.marked_words import MarkedWords
from zoo_spec.data.mask_folder import MaskFolder
from zoo_spec.data.masked_images import MaskedImageData
from zoo_spec.data.mixture import MixedSource, MixtureData
from zoo_spec.data.parallel_text import ParallelText
from zoo_spec.data.pictures import Augmentation, PictureData
from zoo_spec.data.prepared import (
    ArrayRecordData,
    CsvRecordData,
    Hdf5Data,
    ParquetRecordData,
    PreparedData,
    TfRecordData,
)
from zoo_spec.data.pubtator import PubTatorFiles
from zoo_spec.data.question_table import QuestionTable
from zoo_spec.data.questions import QuestionData
from zoo_spec.data.records import LabelledText, Record
from zoo_spec.data.running_text import RunningTextData
from zoo_spec.data.running_text_table import RunningTextTable
from zoo_spec.data.source import SourceData
from zoo_spec.data.squad import SquadFiles
from zoo_spec.data.summaries import SummaryData
from zoo_spec.data.summary_table import SummaryTable
from zoo_spec.data.tagged_words import TaggedWordsData
from zoo_spec.data.target_text import TargetTextData
from zoo_spec.data.text import TextData
from zoo_spec.data.text_pair_table import TextPairTable
from zoo_spec.data.text_pairs import TextPairData
from zoo_spec.data.text_table import TextTable
from zoo_spec.data.tokenized import TokenizedData
from zoo_spec.data.utterances import UtteranceData
from zoo_spec.data.words_table import WordsTable

__all__ = [
    "ArrayRecordData",
    "AudioManifest",
    "AudioTable",
    "Augmentation",
    "Batching",
    "BertSumShards",
    "Bucketed",
    "CldrNames",
    "CldrQuestions",
    "CldrSentences",
    "CnnDailyMail",
    "ConllFiles",
    "CsvRecordData",
    "Dagm2007",
    "Data",
    "FilePath",
    "FilePaths",
    "GeneratedData",
    "GeneratedShapes",
    "GeneratedSpeech",
    "GeneratedSummaries",
    "GlueData",
    "Hdf5Data",
    "IdxFiles",
    "ImageData",
    "ImageFolder",
    "Inria",
    "LabelledImageData",
    "LabelledText",
    "LabelledTextData",
    "LabelledWordsData",
    "LibriSpeech",
    "MarkedWords",
    "MaskFolder",
    "MaskedImageData",
    "MixedSource",
    "MixtureData",
    "Packed",
    "Padded",
    "ParallelText",
    "ParquetRecordData",
    "PictureData",
    "PreparedData",
    "PubTatorFiles",
    "PythonChapters",
    "QuestionData",
    "QuestionTable",
    "Record",
    "RunningTextData",
    "RunningTextTable",
    "Severstal",
    "SourceData",
    "SquadFiles",
    "SummaryData",
    "SummaryTable",
    "TaggedWordsData",
    "TargetTextData",
    "TextData",
    "TextPairData",
    "TextPairTable",
    "TextTable",
    "TfRecordData",
    "TokenizedData",
    "UnicodeNumbers",
    "UnicodeProperties",
    "UtteranceData",
    "WordsTable",
]
