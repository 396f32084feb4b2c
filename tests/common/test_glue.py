"""GLUE's own files: each task's columns, quotes, labels and split, laid out as GLUE-baselines reads them."""

from __future__ import annotations

import pytest

from zoo_common.data.file_marks import sources
from zoo_common.data.records import open_records
from zoo_common.data.sources.glue_tests import unlabelled
from zoo_spec.data import GlueData
from zoo_spec.errors import InputError

# A row of each file, fields between |, as in the benchmark's own; the label is in the place that its files have it.
_MNLI = '7|31193|31193n|government|( ( x ) )|( x )|(ROOT x)|(ROOT y)|He said "no.|"No" he said.'
FILES = {
    "CoLA/train.tsv": "gj04|1||Our friends won't buy \"this.\ngj04|0|*|Them is books.\n",
    "CoLA/dev.tsv": "gj04|1||The sailors rode.\n",
    "SST-2/train.tsv": 'sentence|label\nhide new secretions "|0\n',
    "SST-2/dev.tsv": "sentence|label\nit 's charming |1\n",
    "MRPC/msr_paraphrase_train.txt": "\ufeffQuality|#1 ID|#2 ID|#1 String|#2 String\n"
    "1|702876|702977|He \"said|He said\n"
    "0|2108705|2108831|Yucaipa owned|It bought\n",
    "MRPC/dev_ids.tsv": "2108705|2108831\n",
    "QQP/train.tsv": "id|qid1|qid2|question1|question2|is_duplicate\n"
    + "".join(f"{number}|1|2|How {number}?|Why?|{number % 2}\n" for number in range(200))
    + "9|7|8|Why a\ttab?|How?|1\n10|7\n",
    "QQP/dev.tsv": "id|qid1|qid2|question1|question2|is_duplicate\n0|1|2|How?|Why?|0\n",
    "STS-B/train.tsv": "index|genre|filename|year|old_index|source1|source2|sentence1|sentence2|score\n"
    "0|main|MSRvid|2012test|0001|none|none|A plane.|An air plane.|5.000\n1|m|M|2|1|n|n|A man.|A \"boy.|3.800|extra\n",
    "STS-B/dev.tsv": "index|genre|filename|year|old_index|source1|source2|sentence1|sentence2|score\n"
    "0|main|MSRvid|2012test|0000|none|none|A man.|A hat.|0.25\n",
    "MNLI/train.tsv": "index|promptID|pairID|genre|sentence1_binary_parse|sentence2_binary_parse|sentence1_parse|"
    f"sentence2_parse|sentence1|sentence2|label1|gold_label\n{_MNLI}|neutral|neutral\n",
    "QNLI/train.tsv": 'index|question|sentence|label\n0|When did "it fall?|It "fell.|entailment\n',
    "QNLI/dev.tsv": "index|question|sentence|label\n0|Where?|Here.|not_entailment\n",
    "RTE/train.tsv": "index|sentence1|sentence2|label\n0|No weapons.|Weapons.|not_entailment\n",
    "RTE/dev.tsv": "index|sentence1|sentence2|label\n0|It is.|It was.|entailment\n",
    "WNLI/train.tsv": "index|sentence1|sentence2|label\n0|I stuck a pin.|The pin had.|1\n",
    "WNLI/dev.tsv": "index|sentence1|sentence2|label\n0|The drain.|The hair.|0\n",
    "diagnostic/diagnostic-full.tsv": "Lexical Semantics|Predicate-Argument Structure|Logic|Knowledge|Domain|Premise|"
    "Hypothesis|Label\n||Negation||Artificial|The cat sat.|The cat did not sit.|contradiction\n",
} | {
    f"MNLI/dev_{part}.tsv": "index|promptID|pairID|genre|b1|b2|p1|p2|sentence1|sentence2|label1|label2|label3|label4|"
    f"label5|gold_label\n{_MNLI}|neutral|neutral|{gold}|neutral|neutral|{gold}\n"
    for part, gold in (("matched", "entailment"), ("mismatched", "contradiction"))
}  # fmt: skip
TRAIN = {
    "cola": (("Our friends won't buy \"this.",), "1"),
    "sst2": (('hide new secretions "',), "0"),
    "mrpc": (('He "said', "He said"), "1"),
    "qqp": (("How 0?", "Why?"), "0"),
    "stsb": (("A plane.", "An air plane."), "5.000"),
    "mnli": (('He said "no.', '"No" he said.'), "neutral"),
    "qnli": (('When did "it fall?', 'It "fell.'), "entailment"),
    "rte": (("No weapons.", "Weapons."), "not_entailment"),
    "wnli": (("I stuck a pin.", "The pin had."), "1"),
    "ax": (('He said "no.', '"No" he said.'), "neutral"),
}
EVAL = {
    "cola": (("The sailors rode.",), "1"),
    "sst2": (("it 's charming ",), "1"),
    "mrpc": (("Yucaipa owned", "It bought"), "0"),
    "qqp": (("How?", "Why?"), "0"),
    "stsb": (("A man.", "A hat."), "0.25"),
    "mnli": (('He said "no.', '"No" he said.'), "entailment"),
    "qnli": (("Where?", "Here."), "not_entailment"),
    "rte": (("It is.", "It was."), "entailment"),
    "wnli": (("The drain.", "The hair."), "0"),
    "ax": (("The cat sat.", "The cat did not sit."), "contradiction"),
}


@pytest.fixture(scope="module")
def glue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("glue")
    for name, content in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content.replace("|", "\t").encode())
    return folder


def _records(split="train", **fields):
    return open_records(GlueData(**fields), split, lambda record: None)


@pytest.mark.parametrize("task", TRAIN)
def test_each_task_has_its_own_columns_quotes_labels_and_split(glue, task):
    for split, expected in (("train", TRAIN[task]), ("eval", EVAL[task])):
        record = _records(split, task=task, directory=str(glue))[0]
        assert (record.texts, record.label) == expected
        assert GlueData(task=task, directory=".").texts == len(record.texts)


def test_the_folder_may_be_the_tasks_own_and_mnli_has_two_to_evaluate_on(glue):
    own = {"task": "mnli", "directory": str(glue / "MNLI")}
    assert _records("eval", **own, genres="mismatched")[0].label == "contradiction"
    assert len(sources(GlueData(**own))) == 2


def test_broken_rows_of_qqp_are_counted_and_fields_beyond_those_of_sts_b_left_out(glue, monkeypatch):
    warnings = []
    monkeypatch.setattr("zoo_common.data.record_files.LOG.warning", warnings.append)
    assert len(_records(task="qqp", directory=str(glue))) == 200
    assert any(line.startswith("2 of 202 records could not be read") for line in warnings)
    assert _records(task="stsb", directory=str(glue))[1].label == "3.800"
    with pytest.raises(InputError, match=r"QQP/train.tsv: line 202 has 7 fields, and the first line 6"):
        _records(task="qqp", directory=str(glue), on_bad_record="fail")


def test_mrpc_is_split_by_both_ids_and_asks_for_them_where_they_are_missing(tmp_path):
    for name in ("msr_paraphrase_train.txt", "dev_ids.tsv"):
        (tmp_path / name).write_text(FILES[f"MRPC/{name}"].replace("|", "\t"))
    data = {"task": "mrpc", "directory": str(tmp_path)}
    assert [len(_records(split, **data)) for split in ("train", "eval")] == [1, 1]
    (tmp_path / "dev_ids.tsv").write_text("2108831\t2108705\n")
    with pytest.raises(InputError, match="has no record to evaluate on"):
        _records("eval", **data)
    (tmp_path / "dev_ids.tsv").unlink()
    with pytest.raises(InputError, match=r"dev_ids.tsv: there is no such file.*download script"):
        _records(**data)


def test_a_label_that_the_task_has_not_is_a_bad_record(tmp_path):
    (tmp_path / "train.tsv").write_text("index\tsentence1\tsentence2\tlabel\n0\ta\tb\t-\n")
    with pytest.raises(
        InputError, match=r"train.tsv:2: the label '-' is none of the task's: entailment, not_"
    ):
        _records(task="rte", directory=str(tmp_path), on_bad_record="fail")


def test_a_folder_without_the_file_is_refused_by_its_name(tmp_path):
    with pytest.raises(InputError, match=r"train.tsv: there is no such file"):
        _records(task="cola", directory=str(tmp_path))


# Of each task a test file's row, its texts, and the file that the benchmark's site takes.
TESTS = {
    "cola": ("CoLA/test.tsv", "index|sentence\n0|Bill \"whistled past.\n", ["Bill \"whistled past."], "CoLA"),
    "sst2": ("SST-2/test.tsv", "index|sentence\n0|uneasy mishmash\n", ["uneasy mishmash"], "SST-2"),
    "mrpc": ("MRPC/test.tsv", "index|#1 ID|#2 ID|#1 String|#2 String\n0|1|2|PCCW 's|Current\n",
             ["PCCW 's", "Current"], "MRPC"),
    "qqp": ("QQP/test.tsv", "id|question1|question2\n0|Would?|Why?\n", ["Would?", "Why?"], "QQP"),
    "stsb": ("STS-B/test.tsv", "index|genre|filename|year|old_index|source1|source2|sentence1|sentence2\n"
             "0|main|MSRvid|2012|4|n|n|A girl.|A boy.\n", ["A girl.", "A boy."], "STS-B"),
    "qnli": ("QNLI/test.tsv", "index|question|sentence\n0|What?|Prior.\n", ["What?", "Prior."], "QNLI"),
    "rte": ("RTE/test.tsv", "index|sentence1|sentence2\n0|Maud.|Police.\n", ["Maud.", "Police."], "RTE"),
    "wnli": ("WNLI/test.tsv", "index|sentence1|sentence2\n0|Maude.|Dora.\n", ["Maude.", "Dora."], "WNLI"),
    "ax": ("AX/AX.tsv", "index|sentence1|sentence2\n0|The cat.|The dog.\n", ["The cat.", "The dog."], "AX"),
}  # fmt: skip


@pytest.mark.parametrize("task", TESTS)
def test_a_test_file_has_columns_of_its_own_and_no_labels(tmp_path, task):
    name, content, texts, submitted = TESTS[task]
    data = GlueData(task=task, directory=str(tmp_path))
    with pytest.raises(InputError, match=r"\.tsv: there is no such file"):
        unlabelled(data)
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(content.replace("|", "\t"))
    (file,) = unlabelled(data)
    (row,) = file.rows()
    assert (row.label, list(row.texts), file.submitted) == ("0", texts, f"{submitted}.tsv")


def test_mnli_has_two_test_files_and_the_diagnostic_set(tmp_path):
    (tmp_path / "MNLI").mkdir()
    for part in ("matched", "mismatched"):
        header = "index|promptID|pairID|genre|b1|b2|p1|p2|sentence1|sentence2\n"
        (tmp_path / f"MNLI/test_{part}.tsv").write_text(f"{header}7|1|1|g|b|b|p|p|A.|B.\n".replace("|", "\t"))
    data = GlueData(task="mnli", directory=str(tmp_path))
    assert [file.submitted for file in unlabelled(data)] == ["MNLI-m.tsv", "MNLI-mm.tsv"]
    (tmp_path / "diagnostic").mkdir()
    (tmp_path / "diagnostic/diagnostic.tsv").write_text("index\tsentence1\tsentence2\n0\tA.\tB.\n")
    assert [file.submitted for file in unlabelled(data)] == ["MNLI-m.tsv", "MNLI-mm.tsv", "AX.tsv"]
    (tmp_path / "MNLI/test_matched.tsv").unlink()
    with pytest.raises(InputError, match=r"test_matched\.tsv: there is no such file"):
        unlabelled(data)
